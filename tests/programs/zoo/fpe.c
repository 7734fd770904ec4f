// sources: zoo.h
/* Divides by zero. */
#include "zoo.h"

int fail(int depth) {
    return depth / zero; /* CRASH */
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
