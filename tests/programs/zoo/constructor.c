// sources: zoo.h
/* Crashes before main. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

__attribute__((constructor)) static void construct(void) {
    sink = serve(0); /* CALL */
}

int main(void) {
    return 0;
}
