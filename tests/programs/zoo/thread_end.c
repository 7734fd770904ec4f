// sources: zoo.h
/* Crashes when a thread is as good as over: in the destructor of its own data. With "overflow" by recursion there. */
#include "zoo.h"

FN static int recurse(int depth) { /* CRASH overflow */
    volatile char room[200];
    room[depth & 127] = 1; /* CRASH overflow */
    sink += recurse(depth + 1) + room[0]; /* CRASH overflow */ /* CALL */
    return depth;
}

int fail(int depth) {
    if (*way)
        return recurse(depth) + 1; /* CALL */
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

FN static void destroy(void *value) {
    static int rounds;
    pthread_key_t *key = value;
    /* In the last round: whatever else is freed at a thread's end is gone. */
    if (++rounds < 4)
        pthread_setspecific(*key, value);
    else
        sink = serve(0); /* CALL */
}

static void *worker(void *name) {
    static pthread_key_t key;
    prctl(PR_SET_NAME, name);
    pthread_key_create(&key, destroy);
    pthread_setspecific(key, &key);
    return NULL;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    pthread_join(start(worker, "ending", 0), NULL); /* CALL */
    return 0;
}
