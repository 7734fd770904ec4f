// sources: zoo.h
/* An instruction that isn't one: what __builtin_trap, and many an assertion, compile to. */
#include "zoo.h"

int fail(int depth) {
    if (depth > 0)
        __builtin_trap(); /* CRASH */
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
