// sources: zoo.h
/* The frame pointer is gone. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(NULL);
#ifdef __aarch64__
    __asm__ volatile("mov x29, %1; ldr w0, [%0]" : : "r"(nowhere), "r"(0x4141414141414141) : "x0", "memory"); /* CRASH */
#else
    __asm__ volatile("mov $0x4141414141414141, %%rbp; mov (%0), %%eax" : : "r"(nowhere) : "eax", "memory"); /* CRASH */
#endif
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
