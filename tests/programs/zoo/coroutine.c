// sources: zoo.h
/* Crashes on a stack that the program made: 16 KiB, as coroutines have them. */
#include "zoo.h"

static ucontext_t here, there;

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

FN static void routine(void) {
    sink = serve(0); /* CALL */
}

int main(void) {
    check(getcontext(&there) == 0, "getcontext");
    there.uc_stack.ss_sp = malloc(16384);
    there.uc_stack.ss_size = 16384;
    there.uc_link = &here;
    makecontext(&there, routine, 0);
    swapcontext(&here, &there);
    return 0;
}
