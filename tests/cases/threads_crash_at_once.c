// Many threads crash in the same moment, each at an address that is in its name. There is one report, and all of it is about one of them.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 48, FIRST = 0x100 };

static pthread_barrier_t start;

__attribute__((noinline)) static int fail(volatile char *page) { return *page; }

static void *run(void *page) {
    char name[16];
    snprintf(name, sizeof name, "t%lx", (unsigned long)page >> 12);
    pthread_setname_np(pthread_self(), name);
    pthread_barrier_wait(&start);
    fail(page);
    return 0;
}

int main(void) {
    pthread_barrier_init(&start, 0, THREADS);
    pthread_t thread;
    for (long i = 0; i < THREADS; i++) pthread_create(&thread, 0, run, (void *)(FIRST + i << 12));
    for (;;) pause();
}
