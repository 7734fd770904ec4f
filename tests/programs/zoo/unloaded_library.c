// sources: zoo.h
// library: empty_library.c
/* Calls a function of a library that was unloaded: there's neither symbol nor mapping any more. */
#include "zoo.h"
#include <dlfcn.h>

static int (*volatile callback)(int);

int fail(int depth) {
    will_crash_at((void *)callback);
    sink = callback(depth); /* CRASH */
    return 1;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    void *library = dlopen(way, RTLD_NOW);
    check(library != NULL, "dlopen");
    callback = (int (*)(int))dlsym(library, "zoo_callback");
    check(callback != NULL, "dlsym");
    dlclose(library);
    sink = serve(0); /* CALL */
    return 0;
}
