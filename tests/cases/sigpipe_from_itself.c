// SIGPIPEs that no broken pipe has raised: the program has sent them to itself, in one way after the other, and dies of each.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void by_kill(void) { kill(getpid(), SIGPIPE); }
static void by_kill_of_group(void) { setpgid(0, 0); kill(0, SIGPIPE); }
static void by_killpg(void) { setpgid(0, 0); killpg(0, SIGPIPE); }
static void by_syscall(void) { syscall(SYS_kill, getpid(), SIGPIPE); }
static void by_instruction(void) {
    long result;
    __asm__ volatile("mov $62, %%eax\n syscall" : "=a"(result) : "D"((long)getpid()), "S"(13L) : "rcx", "r11", "memory");
}
static void by_pidfd(void) { syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, getpid(), 0), SIGPIPE, 0, 0); }
static void by_raise(void) { raise(SIGPIPE); }
static void by_tgkill(void) { syscall(SYS_tgkill, getpid(), gettid(), SIGPIPE); }
static void by_pthread_kill(void) { pthread_kill(pthread_self(), SIGPIPE); }
static void by_sigqueue(void) { sigqueue(getpid(), SIGPIPE, (union sigval){0}); }
static void while_blocked(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, 0);
    kill(getpid(), SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void *killer(void *unused) {
    usleep(20000);
    kill(getpid(), SIGPIPE);
    return 0;
}
static void start_killer(void) {
    sigset_t set, before;
    pthread_t thread;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &before); // so that the signal comes to the first thread
    pthread_create(&thread, 0, killer, 0);
    pthread_sigmask(SIG_SETMASK, &before, 0);
}
static void while_reading(void) {
    int ends[2];
    char byte;
    pipe(ends);
    start_killer();
    read(ends[0], &byte, 1);
}
static void while_writing(void) {
    int null = open("/dev/null", O_WRONLY);
    start_killer();
    for (;;) write(null, "x", 1);
}
static void while_calculating(void) {
    start_killer();
    for (volatile long i = 0;; i++);
}
static void from_handler_of_itself(int number) {
    signal(SIGPIPE, SIG_DFL);
    kill(getpid(), SIGPIPE); // blocked until the handler returns
}
static void in_a_handler(void) {
    signal(SIGPIPE, from_handler_of_itself);
    raise(SIGPIPE);
}

int main(void) {
    struct { const char *name; void (*act)(void); } ways[] = {
        {"kill", by_kill}, {"kill of the group", by_kill_of_group}, {"killpg", by_killpg}, {"syscall", by_syscall},
        {"instruction", by_instruction}, {"pidfd", by_pidfd}, {"raise", by_raise}, {"tgkill", by_tgkill},
        {"pthread_kill", by_pthread_kill}, {"sigqueue", by_sigqueue}, {"while blocked", while_blocked},
        {"while reading", while_reading}, {"while writing", while_writing}, {"while calculating", while_calculating},
        {"in a handler", in_a_handler},
    };
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        pid_t child = fork();
        if (!child) {
            alarm(5);
            ways[i].act();
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        printf("%s: %s\n", ways[i].name, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "survived");
    }
    return 0;
}
