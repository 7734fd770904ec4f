// sources: zoo.h
/* An overflow has overwritten everything above on the stack, and only then something faults. */
#include "zoo.h"

int fail(int depth) {
    volatile char room[16];
    int *volatile where = nowhere;
    will_crash_at(NULL);
    /* Not past the end of the stack: main has put 4 KiB of its own there. */
    for (volatile char *byte = room; byte < room + 2048; byte++)
        *byte = 0x41;
    (void)where;
    return nowhere[0] + depth; /* CRASH */
}

int main(void) {
    volatile char room[4096];
    room[0] = 0;
    sink = serve(0) + room[0]; /* CALL */
    return 0;
}
