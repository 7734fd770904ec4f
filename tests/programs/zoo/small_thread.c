// sources: zoo.h
/* Crashes on a thread with the smallest stack that there is. */
#include "zoo.h"
#include <limits.h>

int fail(int depth) {
    char line[64];
    long length = snprintf(line, sizeof line, "crash tid=%ld address=0 name=small\n", syscall(SYS_gettid));
    sink = write(1, line, (size_t)length);
    return nowhere[0] + depth; /* CRASH */
}

FN static void *worker(void *name) {
    prctl(PR_SET_NAME, name);
    sink = serve(0); /* CALL */
    return NULL;
}

int main(void) {
    pthread_join(start(worker, "small", (size_t)PTHREAD_STACK_MIN), NULL); /* CALL */
    return 0;
}
