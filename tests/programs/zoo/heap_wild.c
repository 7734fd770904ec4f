// sources: zoo.h
/* A corrupt list makes malloc itself fault, with its lock held: there's a second thread, so it takes it. */
#include "zoo.h"

static volatile long waiter;

static void *wait_for_ever(void *name) {
    prctl(PR_SET_NAME, name);
    waiter = syscall(SYS_gettid);
    for (;;)
        pause(); /* CALL */
}

int fail(int depth) {
    char *volatile memory = malloc(2000);
    void *volatile fence = malloc(2000);
    free(memory);
    ((void *volatile *)memory)[1] = (void *)0x4141414141414140;
    sink = (long)malloc(3000); /* CRASH */
    return depth + !fence;
}

int main(void) {
    start(wait_for_ever, "waiter", 0);
    while (!waiter)
        sched_yield();
    wait_until_in(SYS_in_pause, getpid(), waiter);
    sink = serve(0); /* CALL */
    return 0;
}
