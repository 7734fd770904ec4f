// sources: zoo.h
/* Reads a mapped file that somebody truncated. */
#include "zoo.h"

int fail(int depth) {
    char name[] = "/tmp/zoo-bus-XXXXXX";
    int file = mkstemp(name);
    check(file >= 0 && unlink(name) == 0 && ftruncate(file, 8192) == 0, "file");
    volatile char *map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, file, 0);
    check(map != MAP_FAILED, "mmap");
    check(ftruncate(file, 0) == 0, "ftruncate");
    will_crash_at((void *)(map + 4096));
    return map[4096] + depth; /* CRASH */
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
