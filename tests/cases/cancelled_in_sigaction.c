// Threads are cancelled wherever they are, in sigaction(2) among other places, and a fork copies others that are in it. sigaction returns
// afterwards, in the process and in its children.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int signals[] = {SIGPIPE, SIGSEGV, SIGABRT};

static void ignore_and_restore(void) {
    for (int i = 0; i < 3; i++) {
        struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
        sigaction(signals[i], &ignore, &before);
        sigaction(signals[i], &before, 0);
    }
}

static void *worker(void *asynchronous) {
    if (asynchronous) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
    for (;;) {
        ignore_and_restore();
        if (!asynchronous) pthread_testcancel();
    }
}

static void late(int number) {
    write(1, "sigaction does not return\n", 26);
    _exit(1);
}

int main(void) {
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = late}, 0);
    unsigned seed = 1;
    pthread_t steady;
    pthread_create(&steady, 0, worker, 0);
    for (int i = 0; i < 1500; i++) {
        pthread_t thread;
        pthread_create(&thread, 0, worker, "asynchronous");
        struct timespec soon = {0, rand_r(&seed) % 100000};
        nanosleep(&soon, 0);
        if (i % 10 == 0) {
            pid_t child = fork();
            if (!child) {
                alarm(3);
                ignore_and_restore();
                _exit(0);
            }
            int status;
            waitpid(child, &status, 0);
            if (status) return printf("a child ended with %x\n", status), 1;
        }
        pthread_cancel(thread);
        pthread_join(thread, 0);
    }
    pthread_cancel(steady);
    pthread_join(steady, 0);
    alarm(3);
    for (int i = 0; i < 1000; i++) ignore_and_restore();
    puts("sigaction returns");
    return 0;
}
