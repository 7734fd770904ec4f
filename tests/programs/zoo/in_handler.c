// sources: zoo.h
/* Crashes in a handler of another signal: on the normal stack, or on the program's alternate one. */
#include "zoo.h"

FN static void on_signal(int signal) {
    will_crash_at(NULL);
    sink = nowhere[0] + signal; /* CRASH */
}

int fail(int depth) {
    check(raise(SIGUSR1) == 0, "raise"); /* CALL */
    return depth;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    if (*way) {
        stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
        check(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    }
    handle(SIGUSR1, on_signal, *way ? SA_ONSTACK : 0);
    sink = serve(0); /* CALL */
    return 0;
}
