// sources: zoo.h
/* A breakpoint without a debugger. The kernel reports the address after it. */
#include "zoo.h"

int fail(int depth) {
    __asm__ volatile("int3; nop"); /* CRASH */
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
