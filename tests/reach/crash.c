/* crash HOW: a server with two more threads that dies. */
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_barrier_t all_wait;

static void *worker_waits_for_work(void *argument) {
    pthread_barrier_wait(&all_wait);
    pause();
    return argument;
}

__attribute__((noinline)) static int reads_a_price(const int *price) {
    return *price + 1; /* here */
}

__attribute__((noinline)) static int overflows(int depth) {
    volatile char page[4096];
    page[0] = (char)depth;
    return overflows(depth + 1) + page[0];
}

static void *overflows_in_a_thread(void *argument) {
    overflows(0);
    return argument;
}

int main(int argc, char **argv) {
    pthread_t thread[3];
    pthread_barrier_init(&all_wait, NULL, 3);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, worker_waits_for_work, NULL);
    pthread_barrier_wait(&all_wait);
    if (argc > 1 && !strcmp(argv[1], "abort"))
        abort();
    assert(argc < 2 || strcmp(argv[1], "assert"));
    if (argc > 1 && !strcmp(argv[1], "overflow")) {
        pthread_create(&thread[2], NULL, overflows_in_a_thread, NULL);
        pthread_join(thread[2], NULL);
    }
    return reads_a_price(NULL);
}
