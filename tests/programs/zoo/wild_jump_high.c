// sources: zoo.h
/* Calls an address that is no address: the fault is in the call itself. */
#include "zoo.h"

static int (*volatile callback)(int) = (int (*)(int))0x4141414141414141;

int fail(int depth) {
    will_crash_at(TOLD_OF_JUMP(0x4141414141414141));
    sink = callback(depth); /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
