// sources: zoo.h
/* While one thread crashes, another ends the process: by exit, _exit or by returning from main. */
#include "zoo.h"

static volatile long crashing;

int fail(int depth) {
    will_crash_at(NULL);
    crashing = syscall(SYS_gettid);
    return nowhere[0] + depth; /* CRASH */
}

FN static void *worker(void *name) {
    prctl(PR_SET_NAME, name);
    sink = serve(0); /* CALL */
    return NULL;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    start(worker, "crasher", 0);
    while (!crashing)
        sched_yield();
    /* Bare, the crash ends the process here. Under the library the thread that crashes waits for its report. */
    wait_until_in(SYS_futex, getpid(), crashing);
    if (strcmp(way, "exit") == 0)
        exit(7);
    if (strcmp(way, "_exit") == 0)
        _exit(7);
    return 7;
}
