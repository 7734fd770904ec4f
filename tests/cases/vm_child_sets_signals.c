// A child that has its parent's memory sets signal actions: for itself alone, or for both where it shares the table of actions, too.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

_Noreturn static void enter(void) { _exit(run(0)); }

// syscall(2) returns in the child to where the child's own stack says (x86_64) or the link register (arm64).
static pid_t make_child(const char *how, char *top, int flags) {
    *(void (**)(void))(top - 16) = enter;
    long child;
    if (!strcmp(how, "syscall")) {
        child = syscall(SYS_clone, flags, top - 16, 0, 0, 0);
    } else if (!strcmp(how, "clone3")) {
        struct { unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls; } arguments = {
            .flags = flags & ~SIGCHLD, .exit_signal = SIGCHLD, .stack = (long)top - (1 << 16), .stack_size = (1 << 16) - 16};
        child = syscall(SYS_clone3, &arguments, sizeof arguments);
    } else {
        return clone(run, top, flags, 0);
    }
    if (!child) enter();
    return child;
}

int main(int count, char **arguments) {
    // The flags of clone3 are in memory, which need not be there.
    for (long address = 0; address <= 16; address += 16) {
        long result = syscall(SYS_clone3, address, 64);
        dprintf(1, "clone3 with a bad address: %ld, %m\n", result);
    }
    int flags[] = {0, CLONE_VFORK, CLONE_SIGHAND, CLONE_SIGHAND | CLONE_VFORK};
    for (int i = 0; i < 4; i++) {
        char *stack = malloc(1 << 16);
        pid_t child = make_child(count > 1 ? arguments[1] : "clone", stack + (1 << 16), CLONE_VM | SIGCHLD | flags[i]);
        int status = 0;
        waitpid(child, &status, 0);
        dprintf(1, "flags %x, ended with %x\n", flags[i], status);
        show("parent");
    }
    raise(SIGSEGV);
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}
