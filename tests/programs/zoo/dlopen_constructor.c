// sources: zoo.h
// library: constructor_library.c
/* A library crashes when it is opened at run time. */
#define OWN_CHAIN
#include "zoo.h"
#include <dlfcn.h>

FN static int load(void) {
    sink = (long)dlopen(way, RTLD_NOW); /* CALL */
    return 1;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    sink = load(); /* CALL */
    return 0;
}
