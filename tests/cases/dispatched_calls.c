// A program that has the kernel hand it its own system calls (Syscall User Dispatch, as Wine does for those of Windows): the library makes none
// while they are handed over. With an argument it crashes then, or, with "unhandled", makes a system call without a handler of SIGSYS.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define DISPATCH 59 // PR_SET_SYSCALL_USER_DISPATCH
enum { OFF, ON };
enum { ALLOW, BLOCK };

static volatile char selector;
static int dispatched;

static void on_call(int number, siginfo_t *info, void *context) {
    selector = ALLOW;
    dispatched++;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 4711;
}

static void show(const char *how, long result) { printf("%s: %ld, %d dispatched\n", how, result, dispatched); }

int main(int argc, char **argv) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (argc > 2) syscall(SYS_prctl, DISPATCH, ON, 0, 0, &selector);
    else if (prctl(DISPATCH, ON, 0, 0, &selector)) {
        fprintf(stderr, "the kernel does not dispatch system calls\n");
        return 77;
    }
    if (argc > 1 && !strcmp(argv[1], "unhandled")) {
        selector = BLOCK;
        return syscall(SYS_getppid);
    }
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, 0);
    long result;
    selector = BLOCK;
    asm volatile("syscall" : "=a"(result) : "a"(SYS_getpid) : "rcx", "r11", "memory");
    show("instruction", result);
    selector = BLOCK;
    show("syscall", syscall(SYS_getppid));
    selector = BLOCK;
    show("libc", getuid());
    action.sa_flags |= SA_ONSTACK;
    sigaction(SIGSYS, &action, 0);
    selector = BLOCK;
    show("with SA_ONSTACK", getuid());
    prctl(DISPATCH, OFF, 0, 0, 0);
    selector = BLOCK;
    show("no longer", getuid() != 4711);
    selector = ALLOW;
    prctl(DISPATCH, ON, 0, 0, &selector);
    fflush(stdout);
    if (argc > 1) {
        selector = BLOCK;
        *(volatile int *)0 = 1;
    }
    return 0;
}
