/* Eight threads and a timer's signal handler set SIGPIPE's action at once, each time to another mask. sigaction is an
   exchange: every action that was set must come back as an old one exactly once, but for the last. Prints how many did not,
   and whether the kernel ended up with a handler, as it must. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 50000, MOST = THREADS * ROUNDS + 1000000, FIRST_BIT = 34, BITS = 24 };

static atomic_int next_token = 1;
static atomic_uchar came_back[MOST];

static void handler(int signum) { (void)signum; }

static void set(void) {
    int token = next_token++;
    struct sigaction new, old;
    if (token >= MOST)
        return;
    memset(&new, 0, sizeof new);
    new.sa_handler = handler;
    for (int bit = 0; bit < BITS; bit++)
        if (token >> bit & 1)
            sigaddset(&new.sa_mask, FIRST_BIT + bit);
    sigaction(SIGPIPE, &new, &old);
    int before = 0;
    for (int bit = 0; bit < BITS; bit++)
        before |= sigismember(&old.sa_mask, FIRST_BIT + bit) << bit;
    came_back[before]++;
}

static void tick(int signum) {
    (void)signum;
    set();
}

static void *body(void *unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS; i++)
        set();
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS];
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick, .sa_flags = SA_RESTART}, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 500}, {0, 500}}, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, body, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    signal(SIGALRM, SIG_IGN);
    int wrong = 0, set_in_all = next_token;
    for (int token = 0; token < set_in_all; token++)
        wrong += came_back[token] != 1;
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } raw;
    syscall(SYS_rt_sigaction, SIGPIPE, NULL, &raw, 8);
    struct sigaction last;
    sigaction(SIGPIPE, NULL, &last);
    unsigned long believed;
    memcpy(&believed, &last.sa_mask, sizeof believed);
    printf("%d did not come back once, kernel has a handler %d, with the mask that is told %d\n", wrong,
           raw.handler != (void *)SIG_DFL && raw.handler != (void *)SIG_IGN, raw.mask == believed);
    return 0;
}
