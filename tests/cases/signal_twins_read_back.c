// What signal(3) and its twins have installed, for signals of every sort, before and after siginterrupt(3): as libc does it.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef void (*handler_t)(int);
extern handler_t bsd_signal(int, handler_t), ssignal(int, handler_t), sysv_signal(int, handler_t), __sysv_signal(int, handler_t), sigset(int, handler_t);
extern int __sigaction(int, const struct sigaction *, struct sigaction *);
extern int siginterrupt(int, int), sigignore(int);

static void handler(int number) {}

static void show(const char *name, int number) {
    struct sigaction now;
    sigaction(number, 0, &now);
    printf("%s of %s: %s, flags %x, mask", name, strsignal(number), now.sa_handler == handler ? "handler" : now.sa_handler == SIG_IGN ? "ignored" : now.sa_handler == SIG_DFL ? "default" : "unknown", now.sa_flags);
    for (int i = 1; i < 65; i++)
        if (sigismember(&now.sa_mask, i) == 1) printf(" %d", i);
    puts("");
}

int main(void) {
    int numbers[] = {SIGHUP, SIGINT, SIGTERM, SIGALRM, SIGUSR1, SIGCHLD, SIGPIPE, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGRTMIN};
    struct { const char *name; handler_t (*install)(int, handler_t); } twins[] = {
        {"signal", signal}, {"bsd_signal", bsd_signal}, {"ssignal", ssignal}, {"sysv_signal", sysv_signal},
        {"__sysv_signal", __sysv_signal}, {"sigset", sigset},
    };
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (unsigned round = 0; round < 3; round++) {
            int number = numbers[i];
            for (unsigned j = 0; j < sizeof twins / sizeof *twins; j++) {
                printf("%d: ", round);
                twins[j].install(number, handler);
                show(twins[j].name, number);
            }
            struct sigaction by_twin = {.sa_handler = handler, .sa_flags = SA_RESTART};
            __sigaction(number, &by_twin, 0);
            show("__sigaction", number);
            sigignore(number);
            show("sigignore", number);
            signal(number, handler);
            siginterrupt(number, round == 0);
            show("siginterrupt", number);
            if (signal(number, SIG_DFL) != handler) puts("another handler was there");
            show("default", number);
        }
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        void (*before)(int) = sigset(numbers[i], SIG_ERR);
        struct sigaction now;
        sigaction(numbers[i], 0, &now);
        printf("SIG_ERR for %d: %ld, now %ld, flags %x\n", numbers[i], (long)before, (long)now.sa_handler, now.sa_flags);
    }
    printf("no signal: %d %d\n", signal(0, handler) == SIG_ERR, signal(65, handler) == SIG_ERR);
    return 0;
}
