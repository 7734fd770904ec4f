// sources: zoo.h
/* What the program reads back is what it set, as though nobody else cared for these signals. */
#define OWN_CHAIN
#include "zoo.h"

static void own(int signal) {
    (void)signal;
}

static void own_with_context(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
}

int main(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        int number = signals[i];
        struct sigaction action = {0}, old;
        check(sigaction(number, NULL, &old) == 0, "query");
        check(old.sa_handler == SIG_DFL && (old.sa_flags & ~0x04000000) == 0, "is SIG_DFL at first");
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        action.sa_sigaction = own_with_context;
        sigaddset(&action.sa_mask, SIGUSR2);
        check(sigaction(number, &action, &old) == 0 && old.sa_handler == SIG_DFL, "was SIG_DFL");
        check(sigaction(number, NULL, &old) == 0 && old.sa_sigaction == own_with_context, "is its own");
        check((old.sa_flags & (int)(SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESETHAND)) == (SA_SIGINFO | SA_NODEFER), "has its flags");
        check(sigismember(&old.sa_mask, SIGUSR2) == 1 && sigismember(&old.sa_mask, SIGUSR1) == 0, "has its mask");
        check(signal(number, own) == (void (*)(int))own_with_context, "signal gives the old one");
        check(signal(number, SIG_IGN) == own, "signal gives its own");
        check(signal(number, SIG_DFL) == SIG_IGN, "signal gives SIG_IGN");
        check(sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_DFL, "is SIG_DFL at last");
    }
    return 0;
}
