// sources: zoo.h
/* Several threads crash at once. */
#include "zoo.h"

static pthread_barrier_t barrier;

int fail(int depth) {
    will_crash_at(NULL);
    pthread_barrier_wait(&barrier);
    return nowhere[0] + depth; /* CRASH */
}

FN static void *worker(void *name) {
    prctl(PR_SET_NAME, name);
    sink = serve(0); /* CALL */
    return NULL;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    int threads = atoi(way);
    pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
    static char names[16][16];
    pthread_t thread = 0;
    for (int i = 0; i < threads; i++) {
        snprintf(names[i], sizeof names[i], "crasher-%d", i);
        thread = start(worker, names[i], 0);
    }
    pthread_barrier_wait(&barrier); /* CALL */
    pthread_join(thread, NULL); /* CALL */
    for (;;)
        pause();
}
