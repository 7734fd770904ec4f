// The end of a stack, and an array's end, are guarded as glibc guards stacks since 2.42: by MADV_GUARD_INSTALL (Linux 6.13), which
// leaves the mapping whole. Where the kernel does not have it, by mprotect.
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { GUARD = 1 << 16, SIZE = 1 << 18 };

static char *guarded(int at_end) {
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *guard = at_end ? memory + SIZE - GUARD : memory;
    if (madvise(guard, GUARD, MADV_GUARD_INSTALL) != 0) mprotect(guard, GUARD, PROT_NONE);
    return memory;
}

__attribute__((noinline)) static int descend(int n) {
    volatile char room[512];
    room[0] = n;
    return descend(n + 1) + room[0];
}

static void *body(void *unused) {
    (void)unused;
    descend(0);
    return NULL;
}

__attribute__((noinline)) static void fill(char *array) {
    for (int i = 0; i < SIZE; i++) ((volatile char *)array)[i] = 'x';
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "array") == 0) {
        fill(guarded(1));
        return 0;
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, guarded(0), SIZE);
    pthread_t thread;
    pthread_create(&thread, &attributes, body, NULL);
    pthread_join(thread, NULL);
    return 0;
}
