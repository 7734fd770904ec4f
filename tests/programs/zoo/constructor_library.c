// sources: zoo.h
// flags: -shared -fPIC
/* A library that crashes when it is loaded. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

__attribute__((constructor)) static void construct(void) {
    sink = serve(0); /* CALL */
}

int zoo_library(void) {
    return 1;
}
