// sources: zoo.h
/* A breakpoint without a debugger. On x86_64 the kernel reports the address after it. */
#include "zoo.h"

int fail(int depth) {
#ifdef __aarch64__
    __asm__ volatile("brk #0"); /* CRASH */
#else
    __asm__ volatile("int3; nop"); /* CRASH */
#endif
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
