// Nanoseconds to make and to join a thread that does nothing, on average, by the clock and of processor time:
// `threads COUNT`.
//
// flags: -pthread
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void *nothing(void *argument) { return argument; }

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int argc, char **argv) {
    int count = argc == 2 ? atoi(argv[1]) : 0;
    if (count <= 0) return 1;
    double start = 0, used = 0;
    // The first ones pay for what is kept for later ones: stacks, page tables.
    for (int i = -100; i < count; i++) {
        if (i == 0) start = now(CLOCK_MONOTONIC), used = now(CLOCK_PROCESS_CPUTIME_ID);
        pthread_t thread;
        if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL)) return 2;
    }
    start = now(CLOCK_MONOTONIC) - start;
    used = now(CLOCK_PROCESS_CPUTIME_ID) - used;
    printf("%.0f %.0f\n", start / count, used / count);
    return 0;
}
