// sources: zoo.h
/* A program's own handler that gives up in one way or another. */
#include "zoo.h"

static const char text[] = "own handler\n";

static void say(void) {
    sink = write(1, text, sizeof text - 1);
}

static void only_return(int signal) {
    say();
    (void)signal;
}

static void default_and_return(int signal_number) {
    say();
    signal(signal_number, SIG_DFL);
}

static void default_and_raise(int signal_number) {
    say();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void default_and_kill(int signal, siginfo_t *info, void *context) {
    struct sigaction action = {0};
    (void)info, (void)context;
    say();
    sigaction(signal, &action, NULL);
    kill(getpid(), signal); /* CRASH default-kill */
}

static void leave(int signal) {
    (void)signal;
    say();
    _exit(3);
}

static void call_abort(int signal) {
    (void)signal;
    say();
    abort(); /* CRASH abort */
}

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */ /* CALL */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    if (strcmp(way, "signal") == 0) {
        signal(SIGSEGV, only_return);
    } else if (strcmp(way, "resethand") == 0) {
        handle(SIGSEGV, only_return, (int)SA_RESETHAND);
    } else if (strcmp(way, "default-return") == 0) {
        handle(SIGSEGV, default_and_return, 0);
    } else if (strcmp(way, "default-raise") == 0) {
        handle(SIGSEGV, default_and_raise, 0);
    } else if (strcmp(way, "default-kill") == 0) {
        struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
        action.sa_sigaction = default_and_kill;
        sigaction(SIGSEGV, &action, NULL);
    } else if (strcmp(way, "exit") == 0) {
        handle(SIGSEGV, leave, 0);
    } else if (strcmp(way, "abort") == 0) {
        handle(SIGSEGV, call_abort, 0);
    } else {
        check(0, "no such way");
    }
    sink = serve(0); /* CALL */
    return 0;
}
