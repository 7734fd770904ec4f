// sources: zoo.h
/* Returns to where an overflow told it to. Who called is on the stack no more, who called that is. */
#include "zoo.h"

static const uintptr_t garbage = 0x5eadbee0;

int fail(int depth) {
    will_crash_at((void *)garbage);
    /* The end of a function, with its return address overwritten. */
#ifdef __aarch64__
    __asm__ volatile("mov x30, %0; ret" : : "r"(garbage) : "x30");
#else
    __asm__ volatile("push %0; ret" : : "r"(garbage));
#endif
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
