// sources: zoo.h
/* Reads through a null pointer. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
