// sources: zoo.h
// link: stripped_library.c
/* Crashes in a stripped library: its exported function still has a name, and every frame a build id. */
#include "zoo.h"

int zoo_exported(int (*inner)(int), int depth);

FN static int identity(int depth) {
    return depth;
}

int fail(int depth) {
    sink = zoo_exported(identity, depth); /* CALL */
    return 1;
}

int main(void) {
    will_crash_at(NULL);
    sink = serve(0); /* CALL */
    return 0;
}
