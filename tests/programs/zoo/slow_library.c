// sources: zoo.h
// flags: -shared -fPIC
/* Its constructor never ends; it says so first. */
#define OWN_CHAIN
#include "zoo.h"

__attribute__((constructor)) static void stay(void) {
    sink = write(atoi(getenv("ZOO_READY")), "x", 1); /* CALL */
    for (;;)
        pause(); /* CALL */
}
