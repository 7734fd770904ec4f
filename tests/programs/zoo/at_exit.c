// sources: zoo.h
/* Crashes in an atexit handler. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

FN static void at_exit(void) {
    sink = serve(0); /* CALL */
}

int main(void) {
    check(atexit(at_exit) == 0, "atexit");
    exit(0); /* CALL */
}
