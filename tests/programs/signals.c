// flags: -Wno-restrict -Wno-deprecated-declarations
/* Prints what sigaction, signal and their twins answer, for a signal that the library owns and for one that it does not.
   The output must be the same with and without the library wherever the library does not promise a change. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t runs;
static void plain(int signum) {
    (void)signum;
    runs++;
}
static void with_info(int signum, siginfo_t *info, void *context) {
    (void)context;
    runs += signum == info->si_signo ? 100 : 1000;
}

static const char *name(void *handler) {
    return handler == (void *)SIG_DFL      ? "DFL"
           : handler == (void *)SIG_IGN    ? "IGN"
           : handler == (void *)SIG_ERR    ? "ERR"
           : handler == (void *)SIG_HOLD   ? "HOLD"
           : handler == (void *)plain      ? "plain"
           : handler == (void *)with_info  ? "with_info"
                                           : "SOMETHING ELSE";
}

static void show(const char *what, const struct sigaction *action) {
    printf("%s: %s flags %x mask", what, name((void *)action->sa_handler), action->sa_flags);
    for (int i = 1; i < 65; i++)
        if (sigismember(&action->sa_mask, i) == 1)
            printf(" %d", i);
    printf(" restorer %d\n", action->sa_restorer != NULL);
}

static void query(int signum) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    errno = 4711;
    int result = sigaction(signum, NULL, &action);
    printf("query %d errno %d ", result, errno);
    show("", &action);
}

static void round_trips(int signum) {
    printf("signal %d\n", signum);
    query(signum);
    int flags[] = {0, SA_RESTART, SA_SIGINFO, SA_ONSTACK, SA_NODEFER, SA_RESETHAND, SA_NOCLDSTOP, SA_NOCLDWAIT,
                   SA_SIGINFO | SA_RESTART | SA_NODEFER, 0x7fffffff, 0x400, (int)0x80000000};
    for (unsigned f = 0; f < sizeof flags / sizeof *flags; f++)
        for (int handler = 0; handler < 3; handler++)
            for (int mask = 0; mask < 3; mask++) {
                struct sigaction new, old;
                memset(&new, 0, sizeof new);
                memset(&old, 0, sizeof old);
                new.sa_flags = flags[f];
                if (handler == 2)
                    new.sa_sigaction = with_info;
                else
                    new.sa_handler = handler ? plain : SIG_DFL;
                sigemptyset(&new.sa_mask);
                if (mask == 1) {
                    sigaddset(&new.sa_mask, SIGUSR2);
                    sigaddset(&new.sa_mask, signum);
                } else if (mask == 2)
                    sigfillset(&new.sa_mask);
                errno = 4711;
                int result = sigaction(signum, &new, &old);
                printf("set %d errno %d ", result, errno);
                show("old", &old);
                query(signum);
            }
    struct sigaction in_place = {.sa_handler = plain};
    sigaction(signum, &in_place, &in_place);
    show("in place", &in_place);
    query(signum);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(signum, &ignore, NULL);
    query(signum);
    printf("signal: %s\n", name(signal(signum, plain)));
    printf("signal: %s\n", name(signal(signum, SIG_IGN)));
    printf("signal: %s\n", name(signal(signum, SIG_DFL)));
    printf("signal: %s\n", name(signal(signum, plain)));
    printf("sigset: %s\n", name(sigset(signum, SIG_HOLD)));
    printf("sigset: %s\n", name(sigset(signum, SIG_HOLD)));
    printf("sigset: %s\n", name(sigset(signum, SIG_IGN)));
    printf("sigset: %s\n", name(sigset(signum, plain)));
    printf("sigignore: %d\n", sigignore(signum));
    query(signum);
    printf("siginterrupt: %d\n", siginterrupt(signum, 1));
    query(signum);
    printf("siginterrupt: %d\n", siginterrupt(signum, 0));
    query(signum);
}

static void deliveries(int signum) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = with_info;
    action.sa_flags = SA_SIGINFO;
    sigaction(signum, &action, NULL);
    raise(signum);
    kill(getpid(), signum);
    sigqueue(getpid(), signum, (union sigval){.sival_int = 7});
    printf("delivered: %d\n", runs);
    action.sa_handler = plain;
    action.sa_flags = SA_RESETHAND;
    sigaction(signum, &action, NULL);
    raise(signum);
    printf("delivered: %d\n", runs);
    query(signum);
    action.sa_flags = 0;
    sigaction(signum, &action, NULL);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, signum);
    sigprocmask(SIG_BLOCK, &set, &before);
    kill(getpid(), signum);
    printf("blocked: %d\n", runs);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("unblocked: %d\n", runs);
    signal(signum, SIG_IGN);
    raise(signum);
    printf("ignored: %d\n", runs);
}

static void errors(void) {
    struct sigaction action = {.sa_handler = plain};
    int wrong[] = {0, -1, 32, 33, 65, 1000, SIGKILL, SIGSTOP};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        int result = sigaction(wrong[i], &action, NULL);
        printf("sigaction %d: %d errno %d\n", wrong[i], result, errno);
        errno = 0;
        result = sigaction(wrong[i], NULL, &action);
        printf("   query: %d errno %d\n", result, errno);
        errno = 0;
        printf("   signal: %s errno %d\n", name(signal(wrong[i], plain)), errno);
        errno = 0;
        printf("   sigset: %s errno %d\n", name(sigset(wrong[i], plain)), errno);
        errno = 0;
        printf("   sigignore: %d errno %d\n", sigignore(wrong[i]), errno);
        errno = 0;
        printf("   siginterrupt: %d errno %d\n", siginterrupt(wrong[i], 1), errno);
    }
    errno = 0;
    printf("signal SIG_ERR: %s errno %d\n", name(signal(SIGPIPE, SIG_ERR)), errno);
    printf("sigaction nothing: %d\n", sigaction(SIGPIPE, NULL, NULL));
}

int main(void) {
    int owned = SIGPIPE;
    round_trips(SIGUSR1);
    round_trips(owned);
    deliveries(SIGUSR1);
    deliveries(owned);
    errors();
    return 0;
}
