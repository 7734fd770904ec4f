/* Prints what SIGPIPE is here: as libc tells it, and whether the kernel has it ignored, default or caught. */
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *name(void *handler) {
    return handler == (void *)SIG_DFL ? "default" : handler == (void *)SIG_IGN ? "ignored" : "handler";
}

int main(void) {
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        unsigned long mask;
    } raw;
    syscall(SYS_rt_sigaction, SIGPIPE, NULL, &raw, 8);
    printf("believes %s, kernel %s\n", name((void *)action.sa_handler), name(raw.handler));
    return 0;
}
