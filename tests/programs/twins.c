// flags: -std=c99 -U_GNU_SOURCE -D_XOPEN_SOURCE=700 -Wno-deprecated-declarations
/* In strict ISO C, signal is System V's: the handler is gone after the first signal, and calls are interrupted. Prints what
   each twin of signal installs, and how often its handler runs for two signals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef void (*handler_t)(int);
extern handler_t bsd_signal(int, handler_t), ssignal(int, handler_t), sysv_signal(int, handler_t);
extern int siginterrupt(int, int);

static volatile sig_atomic_t runs;
static void handler(int signum) {
    (void)signum;
    runs++;
}

static void show(const char *name, int signum, handler_t (*install)(int, handler_t)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    runs = 0;
    sigaction(signum, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    handler_t before = install(signum, handler);
    sigaction(signum, NULL, &action);
    int flags = action.sa_flags & (0x10000000 | 0x40000000 | (int)0x80000000);
    raise(signum);
    handler_t after = install(signum, SIG_IGN);
    raise(signum);
    install(signum, handler);
    raise(signum);
    printf("%s: before %s, flags %x, blocks itself %d, stays %d, ran %d\n", name, before == SIG_IGN ? "IGN" : "other", flags,
           sigismember(&action.sa_mask, signum), after == handler, (int)runs);
}

int main(void) {
    int signals[] = {SIGUSR1, SIGTERM, SIGPIPE};
    for (int i = 0; i < 3; i++) {
        show("signal", signals[i], signal);
        show("bsd_signal", signals[i], bsd_signal);
        show("ssignal", signals[i], ssignal);
        show("sysv_signal", signals[i], sysv_signal);
    }
    siginterrupt(SIGUSR1, 1);
    show("signal after siginterrupt", SIGUSR1, signal);
    return 0;
}
