// sources: zoo.h
/* Reads at an address that is no address: on x86_64 a general protection fault, which names none. */
#include "zoo.h"

static int *volatile wild = (int *)0x4141414141414141;

int fail(int depth) {
    will_crash_at(TOLD_OF_ACCESS(0x4141414141414141));
    return *wild + depth; /* CRASH */
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
