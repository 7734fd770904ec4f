// A signal comes to a child before fork(2) has returned in it, which happens to servers that start several workers on a busy
// machine. The program's handler, inherited, goes back to the default action and sends the signal again, as Apache's does. What the child
// reads back is what it has set, and its parent's actions stay as they are. The same in a child that libc has told nobody of, and in
// one that has its parent's memory.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef NEXT // the library behind ours
#include <dlfcn.h>

int sigaction(int number, const struct sigaction *new, struct sigaction *old) {
    int (*next)(int, const struct sigaction *, struct sigaction *);
    *(void **)&next = dlsym(RTLD_NEXT, "sigaction");
    return next(number, new, old);
}
#else

static void tell(const char *text) { write(1, text, strlen(text)); }

static void give_up(int number) {
    struct sigaction now;
    signal(number, SIG_DFL);
    sigaction(number, 0, &now);
    tell(now.sa_handler == SIG_DFL ? "child: default\n" : "child: NOT what it has set\n");
    kill(getpid(), number);
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_handler = give_up, .sa_flags = SA_RESETHAND};
    sigaction(SIGSEGV, &action, 0);
    // The parent goes on first: the child finds the signal on its way out of the kernel.
    cpu_set_t allowed, one;
    sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    const char *how = count > 1 ? arguments[1] : "fork";
    pid_t child;
    if (!strcmp(how, "vfork")) {
        child = vfork();
        if (child == 0) {
            raise(SIGSEGV);
            _exit(9);
        }
    } else {
        child = !strcmp(how, "bare") ? syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
        if (child == 0)
            for (;;) pause();
        kill(child, SIGSEGV);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    struct sigaction now;
    sigaction(SIGSEGV, 0, &now);
    puts(now.sa_handler == give_up ? "parent: its handler" : "parent: NOT its handler");
    return 0;
}
#endif
