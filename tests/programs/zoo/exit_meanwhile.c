// sources: zoo.h
/* While one thread crashes, another ends the process: by exit, _exit or by returning from main. */
#include "zoo.h"

static volatile int nearly;

int fail(int depth) {
    will_crash_at(NULL);
    nearly = 1;
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
    while (!nearly)
        sched_yield();
    /* The other one needs some nanoseconds now; a report takes longer than this. */
    usleep(20000);
    if (strcmp(way, "exit") == 0)
        exit(7);
    if (strcmp(way, "_exit") == 0)
        _exit(7);
    return 7;
}
