// sources: zoo.h
/* Crashes with signals blocked: all but the one that comes, that one too, or that one alone, which the kernel makes deadly. */
#include "zoo.h"

int fail(int depth) {
    sigset_t set;
    sigfillset(&set);
    if (strcmp(way, "others") == 0)
        sigdelset(&set, SIGSEGV);
    if (strcmp(way, "one") == 0) {
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    will_crash_at(NULL);
    if (strcmp(way, "abort") == 0)
        abort(); /* CRASH abort */
    return nowhere[0] + depth; /* CRASH others */ /* CRASH all */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    sink = serve(0); /* CALL */
    return 0;
}
