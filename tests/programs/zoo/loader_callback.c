// sources: zoo.h
/* Crashes in a dl_iterate_phdr callback: this thread holds the loader's lock. */
#define OWN_CHAIN
#include "zoo.h"
#include <link.h>

FN static int fail(struct dl_phdr_info *info, size_t size, void *data) {
    sink = info->dlpi_phnum + (long)size + (long)data;
    will_crash_at(NULL);
    return nowhere[0] + 1; /* CRASH */
}

FN static int serve(int depth) {
    sink = dl_iterate_phdr(fail, NULL); /* CALL */
    return depth;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
