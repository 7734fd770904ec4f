// sources: zoo.h
// flags: -D_FORTIFY_SOURCE=2
/* A strcpy() that the C library finds too long. */
#include "zoo.h"

static const char *volatile text = "far too long for the little room there is";

int fail(int depth) {
    char room[8];
    strcpy(room, text); /* CRASH */
    return room[depth];
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
