// sources: zoo.h
/* Functions that the compiler folds into their callers in every build. */
#include "zoo.h"

#define INLINE __attribute__((always_inline)) inline

INLINE static int third(volatile int *where, int depth) {
    sink = depth;
    int value = where[0]; /* CRASH */
    return value + where[1] + depth;
}

template <typename Number> INLINE Number second(volatile int *where, Number depth) {
    sink = depth;
    return third(where, depth) + 1; /* CALL */
}

INLINE static int first(int depth) {
    volatile int *where = nowhere;
    sink = depth;
    return second<int>(where, depth) + 1; /* CALL */
}

int fail(int depth) {
    will_crash_at(nullptr);
    return first(depth) + 1; /* CALL */
}

int main() {
    sink = serve(0); /* CALL */
    return 0;
}
