// sources: zoo.h
// flags: -shared -fPIC
/* A library to load and unload. */
#define OWN_CHAIN
#include "zoo.h"

int zoo_callback(int depth) {
    return depth + 1;
}
