// sources: zoo.h
// library: slow_library.c
/* Another thread holds the loader's lock: it is in a dl_iterate_phdr callback, or in dlopen. */
#include "zoo.h"
#include <dlfcn.h>
#include <link.h>

int ready[2];

FN static int stay(struct dl_phdr_info *info, size_t size, void *data) {
    sink = info->dlpi_phnum + (long)size + (long)data;
    sink = write(ready[1], "x", 1); /* CALL */
    for (;;)
        pause(); /* CALL */
}

FN static void *hold(void *name) {
    prctl(PR_SET_NAME, name);
    if (*way)
        sink = (long)dlopen(way, RTLD_NOW); /* CALL */
    else
        sink = dl_iterate_phdr(stay, NULL); /* CALL */
    return NULL;
}

int fail(int depth) {
    char byte;
    check(read(ready[0], &byte, 1) == 1, "read");
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    check(pipe(ready) == 0, "pipe");
    if (*way) {
        char number[16];
        snprintf(number, sizeof number, "%d", ready[1]);
        setenv("ZOO_READY", number, 1);
    }
    start(hold, "holder", 0);
    sink = serve(0); /* CALL */
    return 0;
}
