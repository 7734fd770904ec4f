// sources: zoo.h
/* A failed assertion. */
#include "zoo.h"
#include <assert.h>

int fail(int depth) {
    assert(depth == zero); /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
