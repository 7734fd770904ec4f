// sources: zoo.h
/* Crashes amid what makes system calls fail and children disappear: a fast timer, a thread that waits for any child,
   SIGCHLD ignored, stderr locked. */
#include "zoo.h"
#include <sys/time.h>

static void on_tick(int signal) {
    sink += signal;
}

static void *reap(void *name) {
    prctl(PR_SET_NAME, name);
    for (;;)
        if (waitpid(-1, NULL, 0) < 0)
            usleep(100);
}

static void *lock(void *name) {
    prctl(PR_SET_NAME, name);
    flockfile(stderr);
    flockfile(stdout);
    for (;;)
        pause();
}

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    if (strcmp(way, "timer") == 0) {
        handle(SIGALRM, on_tick, 0);
        struct itimerval often = {{0, 200}, {0, 200}};
        check(setitimer(ITIMER_REAL, &often, NULL) == 0, "setitimer");
    } else if (strcmp(way, "reaper") == 0) {
        start(reap, "reaper", 0);
    } else if (strcmp(way, "no-sigchld") == 0) {
        handle(SIGCHLD, SIG_IGN, 0);
    } else if (strcmp(way, "stdio-locked") == 0) {
        start(lock, "locker", 0);
        usleep(20000);
    } else {
        check(0, "no such way");
    }
    sink = serve(0); /* CALL */
    return 0;
}
