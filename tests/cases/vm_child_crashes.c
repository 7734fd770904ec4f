// Children that have their parent's memory crash: by vfork(2) with a handler of the parent's, by clone(2) that does not wait. The parent
// goes on, and its handlers work.
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;

static void on_fault(int number, siginfo_t *info, void *context) { siglongjmp(back, 1); }
static void on_child_fault(int number) {
    signal(number, SIG_DFL);
    raise(number);
}

static int crash(void *unused) {
    *(volatile int *)0 = 1;
    return 9;
}

int main(int count, char **arguments) {
    const char *how = arguments[1];
    char *stack = malloc(262144);
    int status;
    pid_t child;
    for (int i = 0; i < 3; i++) {
        if (!strcmp(how, "handler")) {
            signal(SIGSEGV, on_child_fault);
            if ((child = vfork()) == 0) _exit(crash(0));
        } else if (!strcmp(how, "abort")) {
            if ((child = vfork()) == 0) abort();
        } else if (!strcmp(how, "clone")) {
            child = clone(crash, stack + 262144, CLONE_VM | SIGCHLD, 0);
        } else if (!strcmp(how, "clone_sighand")) {
            child = clone(crash, stack + 262144, CLONE_VM | CLONE_SIGHAND | SIGCHLD, 0);
        } else {
            child = clone(crash, stack + 262144, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
        }
        waitpid(child, &status, 0);
        printf("the child ended with signal %d\n", WTERMSIG(status));
        fflush(stdout);
    }
    // The table of actions was the child's, too.
    if (!strcmp(how, "clone_sighand")) *(volatile int *)24 = 1;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    if (!sigsetjmp(back, 1)) *(volatile int *)8 = 1;
    puts("the parent has handled its own");
    fflush(stdout);
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)16 = 1;
    return 0;
}
