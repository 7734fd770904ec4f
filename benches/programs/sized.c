/* sized THREADS DEPTH MEGABYTES: a process of that size, which writes a line when it is ready and then waits to be killed. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *waiting(void *unused) {
    for (;;) pause();
}

__attribute__((noinline)) static int deep(int depth) {
    if (depth > 1) return deep(depth - 1) + 1;
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}

static void *deepest(void *depth) { return (void *)(long)deep(atoi(depth)); }

int main(int argc, char **argv) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 65536);
    pthread_t thread;
    for (int i = 0; i < atoi(argv[1]); i++)
        if (pthread_create(&thread, &attributes, waiting, NULL)) return 1;
    size_t size = (size_t)atoi(argv[3]) << 20;
    if (size) memset(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 1, size);
    /* The main thread's stack may be too small. */
    pthread_attr_setstacksize(&attributes, 65536 + (size_t)atoi(argv[2]) * 64);
    if (pthread_create(&thread, &attributes, deepest, argv[2])) return 1;
    pthread_join(thread, NULL);
}
