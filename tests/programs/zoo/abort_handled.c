// sources: zoo.h
/* abort() in a program that handles SIGABRT, which must not help it; or that ignores it; or that jumps away. */
#include "zoo.h"
#include <setjmp.h>

static sigjmp_buf back;

static void only_return(int signal) {
    sink = write(1, "own handler\n", 12);
    sink = signal;
}

static void jump(int signal) {
    siglongjmp(back, signal);
}

FN static void abort_often(void) {
    for (volatile int i = 0; i < 100; i++)
        if (sigsetjmp(back, 1) == 0)
            abort();
}

int fail(int depth) {
    if (strcmp(way, "jumps") != 0)
        abort(); /* CRASH */
    abort_often();
    return depth;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    if (strcmp(way, "returns") == 0)
        handle(SIGABRT, only_return, 0);
    else if (strcmp(way, "signal-returns") == 0)
        signal(SIGABRT, only_return);
    else if (strcmp(way, "ignored") == 0)
        signal(SIGABRT, SIG_IGN);
    else
        handle(SIGABRT, jump, 0);
    sink = serve(0); /* CALL */
    return 5;
}
