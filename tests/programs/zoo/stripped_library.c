// sources: zoo.h
// flags: -shared -fPIC -s -Wl,--build-id=sha1
/* A library without symbols but the exported ones. */
#define OWN_CHAIN
#include "zoo.h"

FN static int hidden(int depth) {
    return nowhere[0] + depth; /* CRASH */
}

FN int zoo_exported(int (*inner)(int), int depth) {
    sink = hidden(inner(depth)); /* CALL */
    return 1;
}
