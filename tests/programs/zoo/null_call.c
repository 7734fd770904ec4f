// sources: zoo.h
/* Calls through a null pointer: there is no function to name but the caller. */
#include "zoo.h"

static int (*volatile callback)(int);

int fail(int depth) {
    will_crash_at(NULL);
    sink = callback(depth); /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
