/* Threads and the memory they leave behind. `once N` starts and joins N threads one after the other, `many N` N at once,
   and both print how many mappings there are more than before. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t barrier;
static void *nothing(void *argument) { return argument; }
static void *leaves(void *argument) { pthread_exit(argument); }
static void *waits(void *argument) { pthread_barrier_wait(&barrier); return argument; }

static int mappings(void) {
    int lines = 0, character;
    FILE *maps = fopen("/proc/self/maps", "r");
    while ((character = getc(maps)) != EOF)
        lines += character == '\n';
    fclose(maps);
    return lines;
}

static void one_by_one(int count, void *(*routine)(void *)) {
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, routine, NULL) != 0)
            exit(1);
        pthread_join(thread, NULL);
    }
}

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[2]) : 0;
    one_by_one(4, nothing);
    int before = mappings();
    if (!strcmp(argv[1], "once")) {
        one_by_one(count, nothing);
        one_by_one(count, leaves);
    } else if (!strcmp(argv[1], "many")) {
        pthread_t threads[64];
        pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
        for (int i = 0; i < count; i++)
            pthread_create(&threads[i], NULL, waits, NULL);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < count; i++)
            pthread_join(threads[i], NULL);
    }
    printf("%d\n", mappings() - before);
    return 0;
}
