// crash KIND: crashes, or waits, with two other threads that wait.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static pthread_barrier_t ready;
static volatile int depth;

static __attribute__((noinline)) void *waiting_function(void *name) {
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&ready);
    for (;;) pause();
    return 0;
}
static __attribute__((noinline)) int leaf_read(volatile int *p) { return *p; }
static __attribute__((noinline)) void leaf_write(volatile int *p) { *p = 1; }
static __attribute__((noinline)) int deep(int n) {
    char room[1000];
    memset(room, n, sizeof room);
    depth++;
    return deep(n + 1) + room[n % 1000];
}
static __attribute__((noinline)) void crash(const char *kind) {
    static void (*volatile null)(void);
    if (!strcmp(kind, "read")) leaf_read((int *)16);
    if (!strcmp(kind, "write")) leaf_write((int *)16);
    if (!strcmp(kind, "jump")) null();
    if (!strcmp(kind, "wild")) leaf_read((int *)0x0141414141414141);
    if (!strcmp(kind, "readonly")) leaf_write((int *)"constant");
    if (!strcmp(kind, "overflow")) deep(0);
    if (!strcmp(kind, "abort")) abort();
    if (!strcmp(kind, "trap")) __builtin_trap();
    if (!strcmp(kind, "illegal")) __asm__ volatile("udf #7");
    if (!strcmp(kind, "bus")) {
        int *file = mmap(0, 4096, PROT_READ, MAP_SHARED, fileno(tmpfile()), 0);
        leaf_read(file);
    }
    if (!strcmp(kind, "wait"))
        for (;;) pause();
    if (!strcmp(kind, "kill")) raise(SIGSEGV);
}
static void rethrow(int number) {
    signal(number, SIG_DFL);
    raise(number);
}
static void nothing(int number) {}
static __attribute__((noinline)) void *run(void *kind) {
    crash(kind);
    return 0;
}

int main(int argc, char **argv) {
    char *kind = argv[1];
    if (argc > 2 && !strcmp(argv[2], "rethrow")) signal(SIGSEGV, rethrow);
    if (argc > 2 && !strcmp(argv[2], "returns")) signal(SIGSEGV, nothing);
    pthread_t threads[3];
    pthread_barrier_init(&ready, 0, 3);
    pthread_create(&threads[0], 0, waiting_function, "first");
    pthread_create(&threads[1], 0, waiting_function, "second");
    pthread_barrier_wait(&ready);
    usleep(20000);
    if (argc > 2 && !strcmp(argv[2], "thread")) {
        pthread_create(&threads[2], 0, run, kind);
        pthread_join(threads[2], 0);
    } else
        crash(kind);
    return 0;
}
