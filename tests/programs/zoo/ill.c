// sources: zoo.h
/* An instruction that isn't one: what __builtin_trap, and many an assertion, compile to on x86_64 (arm64 has a breakpoint for it),
   or one that no processor knows. */
#include "zoo.h"

int fail(int depth) {
    if (strcmp(way, "unknown") == 0)
#ifdef __aarch64__
        __asm__ volatile(".inst 0"); /* CRASH unknown */
#else
        __asm__ volatile(".byte 6"); /* CRASH unknown */
#endif
    else if (depth > 0)
        __builtin_trap(); /* CRASH */
    return depth;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    sink = serve(0); /* CALL */
    return 0;
}
