// sources: zoo.h
/* abort() as the last thing that a function does: its return address belongs to the next function. */
#include "zoo.h"

int fail(int depth) {
    sink = depth;
    abort(); /* CRASH */
}

FN int bystander(int depth) {
    return depth + (int)sink;
}

int main(void) {
    sink = serve(0); /* CALL */
    return bystander(0);
}
