// sources: zoo.h
/* Calls into memory that may not be executed. */
#include "zoo.h"

static char data[64] = "data";

int fail(int depth) {
    int (*volatile callback)(int) = (int (*)(int))(uintptr_t)data;
    will_crash_at(data);
    sink = callback(depth); /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
