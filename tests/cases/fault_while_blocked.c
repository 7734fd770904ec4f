// A fault whose signal is blocked: the kernel ends the process without asking anybody. Programs block all signals in workers, around
// fork and in sa_mask.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static const char *fault = "segv";

static __attribute__((noinline)) int faults(int n) {
    if (!strcmp(fault, "segv")) return *(volatile int *)16;
    if (!strcmp(fault, "fpe")) return 7 / (n & 0);
    if (!strcmp(fault, "ill")) __builtin_trap();
#if defined(__x86_64__)
    if (!strcmp(fault, "trap")) __asm__ volatile("int3");
#else
    if (!strcmp(fault, "trap")) __asm__ volatile("brk 0");
#endif
    if (!strcmp(fault, "bus")) {
        FILE *file = tmpfile();
        ftruncate(fileno(file), 4096);
        char *page = mmap(0, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
        return page[4096];
    }
    return 0;
}

static void *work(void *unused) {
    faults(1);
    return 0;
}

static void handler(int number) { faults(number); }
static void empties(int number) { sigset_t none; sigemptyset(&none); sigprocmask(SIG_SETMASK, &none, 0); }

static void block_all(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, 0);
}

int main(int count, char **arguments) {
    const char *where = arguments[1];
    if (count > 2) fault = arguments[2];
    sigset_t set;
    sigfillset(&set);
    pthread_t thread;
    if (!strcmp(where, "main")) {
        sigprocmask(SIG_SETMASK, &set, 0);
    } else if (!strcmp(where, "worker")) {
        block_all();
        pthread_create(&thread, 0, work, 0);
        pthread_join(thread, 0);
    } else if (!strcmp(where, "less")) {
        // Some signals are to come all the same.
        sigdelset(&set, SIGTERM);
        sigdelset(&set, SIGABRT);
        sigdelset(&set, SIGCHLD);
        sigprocmask(SIG_SETMASK, &set, 0);
    } else if (!strcmp(where, "unblocked")) {
        block_all();
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigprocmask(SIG_UNBLOCK, &set, 0);
    } else if (!strcmp(where, "in two steps")) {
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, SIGSEGV);
        sigprocmask(SIG_BLOCK, &one, 0);
        block_all();
    } else if (!strcmp(where, "handler")) {
        struct sigaction action = {.sa_handler = handler};
        sigfillset(&action.sa_mask);
        sigaction(SIGUSR1, &action, 0);
        raise(SIGUSR1);
    } else if (!strcmp(where, "forked")) {
        block_all();
        pid_t child = fork();
        if (child == 0) faults(1);
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) { sigemptyset(&set); sigprocmask(SIG_SETMASK, &set, 0); signal(WTERMSIG(status), SIG_DFL); printf("child: %d\n", WTERMSIG(status)); return 0; }
    } else if (!strcmp(where, "after siglongjmp")) {
        static sigjmp_buf place;
        block_all();
        if (sigsetjmp(place, 1) == 0) {
            empties(0);
            siglongjmp(place, 1);
        }
    } else if (!strcmp(where, "own handler")) {
        // Set when everything is blocked already: the kernel would not call it.
        struct sigaction action = {.sa_handler = exit};
        block_all();
        sigaction(SIGSEGV, &action, 0);
    }
    faults(1);
    return 3;
}
