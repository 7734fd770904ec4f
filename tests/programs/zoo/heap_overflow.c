// sources: zoo.h
/* Writes past a block, over what malloc keeps there: malloc notices it later. */
#include "zoo.h"

int fail(int depth) {
    volatile char *memory = malloc(1000);
    for (size_t i = 1000; i < 1024; i++)
        memory[i] = 0x41;
    sink = (long)malloc(200000 / 2); /* CRASH */
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
