// sources: zoo.h
/* Writes to a member of a structure that isn't there. */
#include "zoo.h"

struct request {
    char head[24];
    int length;
};
static struct request *volatile request;

int fail(int depth) {
    will_crash_at((void *)24);
    request->length = depth; /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
