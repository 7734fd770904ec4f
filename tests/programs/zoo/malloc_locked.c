// sources: zoo.h
/* Another thread is in malloc's code for ever, with the lock of the arena that the crashing thread uses. */
#include "zoo.h"
#include <malloc.h>

static volatile int nearly;

/* mallinfo2 counts the chunks of each free list with the arena's lock held; one that points to itself has no end. */
FN static void *count_for_ever(void *name) {
    prctl(PR_SET_NAME, name);
    nearly = 1; /* CALL */
    struct mallinfo2 info = mallinfo2(); /* CALL */
    sink = (long)info.arena;
    return NULL;
}

int fail(int depth) {
    while (!nearly)
        sched_yield();
    usleep(50000); /* it can't tell us when it is inside */
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(void) {
    void *chunks[9];
    for (int i = 0; i < 9; i++)
        chunks[i] = malloc(24);
    for (int i = 0; i < 9; i++)
        free(chunks[i]);
    uintptr_t chunk = (uintptr_t)chunks[8] - 16, place = (uintptr_t)chunks[8];
    *(volatile uintptr_t *)place = (place >> 12) ^ chunk;
    start(count_for_ever, "counter", 0);
    sink = serve(0); /* CALL */
    return 0;
}
