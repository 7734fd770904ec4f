// sources: zoo.h
// flags: -fstack-protector-all
/* Writes past a buffer on the stack; the compiler's guard notices it on return. */
#include "zoo.h"

static volatile size_t length = 24;

int fail(int depth) { 
    char room[8];
    memset(room, depth, 1);
    /* Just far enough to hit the guard and nothing behind it. */
    for (volatile char *byte = room; byte < room + length; byte++)
        if (byte >= room + 8 && byte < room + 16)
            *byte = 0x41;
    return room[0];
} /* CRASH */

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
