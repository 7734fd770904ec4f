// SIGABRT is ignored, as nohup-like starters leave it, or blocked, and the program aborts: libc then sets the default action by itself and
// raises the signal again. Every way into abort that a program has, in a thread, in a child, in a handler of another signal, and in a
// child that has its parent's memory, whose parent ignores SIGABRT as before.
#define _GNU_SOURCE
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void __assert_perror_fail(int, const char *, unsigned, const char *) __attribute__((noreturn));
void __stack_chk_fail(void) __attribute__((noreturn));

__attribute__((noinline)) static void gives_up(const char *how) {
    volatile int is_so = 0;
    if (!strcmp(how, "assert")) assert(is_so);
    if (!strcmp(how, "perror")) __assert_perror_fail(5, "file.c", 7, "gives_up");
    if (!strcmp(how, "smashed")) __stack_chk_fail();
    abort();
}

static const char *how;
static void *runs(void *unused) {
    gives_up(how);
    return 0;
}
static void on_alarm(int number) { gives_up(how); }

int main(int count, char **arguments) {
    how = count > 1 ? arguments[1] : "abort";
    if (!strcmp(how, "blocked")) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGABRT);
        sigprocmask(SIG_BLOCK, &set, 0);
    } else {
        signal(SIGABRT, SIG_IGN);
    }
    raise(SIGABRT); // is ignored, or waits
    if (!strcmp(how, "thread")) {
        pthread_t thread;
        pthread_create(&thread, 0, runs, 0);
        pthread_join(thread, 0);
    }
    if (!strcmp(how, "handler")) {
        signal(SIGALRM, on_alarm);
        raise(SIGALRM);
    }
    if (!strcmp(how, "child") || !strcmp(how, "vfork")) {
        pid_t child = !strcmp(how, "child") ? fork() : vfork();
        if (child == 0) gives_up(how);
        int status;
        waitpid(child, &status, 0);
        printf("child: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        struct sigaction now;
        sigaction(SIGABRT, 0, &now);
        puts(now.sa_handler == SIG_IGN ? "parent: ignores it" : "parent: does NOT ignore it");
        return 0;
    }
    gives_up(how);
}
