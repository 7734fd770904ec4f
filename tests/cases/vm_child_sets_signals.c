// A child that has its parent's memory sets signal actions: for itself alone, or for both where it shares the table of actions, too.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const int numbers[] = {SIGSEGV, SIGPIPE, SIGABRT, SIGSYS, SIGTERM};

static void handler(int number) { dprintf(1, "handler of %d\n", number); }

static void show(const char *who) {
    for (int i = 0; i < 5; i++) {
        struct sigaction now;
        sigaction(numbers[i], 0, &now);
        dprintf(1, "%s, %d: %s, flags %x\n", who, numbers[i], now.sa_handler == handler ? "handler" : now.sa_handler == SIG_DFL ? "default" : "other", now.sa_flags);
    }
}

static int run(void *unused) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    for (int i = 0; i < 5; i++) sigaction(numbers[i], &action, 0);
    show("child");
    signal(SIGSYS, SIG_DFL);
    return 0;
}

int main(void) {
    int flags[] = {0, CLONE_VFORK, CLONE_SIGHAND, CLONE_SIGHAND | CLONE_VFORK};
    for (int i = 0; i < 4; i++) {
        char *stack = malloc(1 << 16);
        pid_t child = clone(run, stack + (1 << 16), CLONE_VM | SIGCHLD | flags[i], 0);
        int status;
        waitpid(child, &status, 0);
        dprintf(1, "flags %x, ended with %x\n", flags[i], status);
        show("parent");
    }
    raise(SIGSEGV);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}
