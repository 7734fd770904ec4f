// sources: zoo.h
/* Recursion without end: on main, on threads with stacks of all sizes, with an alternate stack of the program's own. */
#define OWN_CHAIN
#include "zoo.h"

FN static int fail(int depth) { /* CRASH */
    volatile char room[200];
    room[depth & 127] = (char)depth; /* CRASH */
    sink += fail(depth + 1) + room[depth & 63]; /* CRASH */ /* CALL */
    return depth;
}

FN static int serve(int depth) {
    will_crash_at(NULL);
    sink = fail(depth + 1); /* CALL */
    return 1;
}

FN static void *worker(void *name) {
    prctl(PR_SET_NAME, name);
    sink = serve(0); /* CALL */
    return NULL;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    if (strstr(way, "sigaltstack")) {
        stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
        check(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    }
    if (strstr(way, "thread"))
        pthread_join(start(worker, "overflower", (size_t)atoi(way) * 1024), NULL); /* CALL */
    else
        sink = serve(0); /* CALL */
    return 0;
}
