// sources: zoo.h
/* Calls an address where nothing is mapped. */
#include "zoo.h"

static int (*volatile callback)(int) = (int (*)(int))0x5eadbee0;

int fail(int depth) {
    will_crash_at((void *)callback);
    sink = callback(depth); /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
