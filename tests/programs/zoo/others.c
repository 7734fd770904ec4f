// sources: zoo.h
/* What the other threads do while one crashes: wait for work, read, compute; and eight of them, or as many as
   are asked for, all the same. */
#include "zoo.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t ready;
static int channel[2];

FN static int wait_for_work(int depth) {
    pthread_mutex_lock(&mutex);
    for (;;)
        pthread_cond_wait(&condition, &mutex); /* CALL */
    return depth;
}

FN static int read_request(int depth) {
    char byte;
    sink = read(channel[0], &byte, 1); /* CALL */
    return depth;
}

/* On one line, since a loop this small has no line of its own. */
FN static int compute(int depth) { for (;;) sink += depth; } /* CALL */

FN static void *pool(void *name) {
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&ready);
    sink = wait_for_work(0); /* CALL */
    return NULL;
}

FN static void *reader(void *name) {
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&ready);
    sink = read_request(0); /* CALL */
    return NULL;
}

FN static void *computer(void *name) {
    prctl(PR_SET_NAME, name);
    pthread_barrier_wait(&ready);
    sink = compute(0); /* CALL */
    return NULL;
}

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    int many = *way ? atoi(way) : 8;
    pthread_barrier_init(&ready, NULL, (unsigned)many + 3);
    check(pipe(channel) == 0, "pipe");
    for (int i = 0; i < many; i++)
        start(pool, "pool", 0);
    start(reader, "reader", 0);
    start(computer, "computer", 0);
    pthread_barrier_wait(&ready);
    /* They still have to go where they are bound for, and can't say when they are there. */
    usleep(100000);
    sink = serve(0); /* CALL */
    return 0;
}
