// sources: zoo.h
/* Writes to a string literal. */
#include "zoo.h"

static const char *volatile literal = "literal";

int fail(int depth) {
    will_crash_at(literal);
    *(char *)literal = (char)depth; /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
