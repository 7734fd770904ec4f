// A worker thread crashes; the program's handler, called in it, hands the signal to the main thread with pthread_kill(3) and waits. The
// worker crashed, and no other.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static pthread_t first;

static void give_up(int number) {
    if (!pthread_equal(pthread_self(), first)) {
        signal(number, SIG_DFL);
        pthread_kill(first, number);
    }
    for (;;) pause(); // until the process has ended
}

__attribute__((noinline)) static int decode_frame(int *volatile row) { return *row; }

static void *worker(void *unused) {
    decode_frame((int *)8);
    return 0;
}

int main(void) {
    first = pthread_self();
    struct sigaction action = {.sa_handler = give_up};
    sigaction(SIGSEGV, &action, 0);
    pthread_t thread;
    pthread_create(&thread, 0, worker, 0);
    pthread_join(thread, 0);
    return 0;
}
