/* What late_thread.c loads. */
#include <pthread.h>

static void *runs(void *argument) { return argument; }

int start_thread_late(void) {
    pthread_t thread;
    return pthread_create(&thread, NULL, runs, NULL) || pthread_join(thread, NULL);
}
