// sources: zoo.h
/* What the other threads do while one crashes: wait for work, read, compute; and eight of them, or as many as
   are asked for, all the same. */
#include "zoo.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int channel[2];
/* What they have come to. */
static int waiting;
static long waiters[1000];
static volatile long reading, turns;

FN static int wait_for_work(int depth) {
    pthread_mutex_lock(&mutex);
    waiters[waiting++] = syscall(SYS_gettid);
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
FN static int compute(int depth) { for (;;) turns += depth; } /* CALL */

FN static void *pool(void *name) {
    prctl(PR_SET_NAME, name);
    sink = wait_for_work(0); /* CALL */
    return NULL;
}

FN static void *reader(void *name) {
    prctl(PR_SET_NAME, name);
    reading = syscall(SYS_gettid);
    sink = read_request(0); /* CALL */
    return NULL;
}

FN static void *computer(void *name) {
    prctl(PR_SET_NAME, name);
    sink = compute(1); /* CALL */
    return NULL;
}

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    int many = *way ? atoi(way) : 8;
    check(pipe(channel) == 0, "pipe");
    for (int i = 0; i < many; i++)
        start(pool, "pool", 0);
    start(reader, "reader", 0);
    start(computer, "computer", 0);
    for (int there = 0; there < many || !reading || !turns; sched_yield()) {
        /* Who has let go of the mutex is about to wait for the condition. */
        pthread_mutex_lock(&mutex);
        there = waiting;
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < many; i++)
        wait_until_in(SYS_futex, getpid(), waiters[i]);
    wait_until_in(SYS_read, getpid(), reading);
    sink = serve(0); /* CALL */
    return 0;
}
