// sources: zoo.h
/* The frame pointer is gone. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(NULL);
    __asm__ volatile("mov $0x4141414141414141, %%rbp; mov (%0), %%eax" : : "r"(nowhere) : "eax", "memory"); /* CRASH */
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
