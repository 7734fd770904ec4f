// sources: zoo.h
/* Frees twice. */
#include "zoo.h"

int fail(int depth) {
    void *volatile memory = malloc(64);
    free(memory);
    free(memory); /* CRASH */
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
