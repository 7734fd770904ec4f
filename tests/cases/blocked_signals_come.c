// All signals are blocked, and one comes: while sigsuspend, ppoll and their like wait with another mask, to a thread that is not the first, and
// to a process that has others pending when it dies.
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

static void block_all(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, 0);
}

static void handler(int number) { write(1, "handler\n", 8); }

static int is_asleep(pid_t process) {
    char path[40], line[400] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    FILE *file = fopen(path, "r");
    fgets(line, sizeof line, file);
    fclose(file);
    return strrchr(line, ')')[2] == 'S';
}

// A child sends the signal when we wait.
static void send_to_waiting(int number) {
    pid_t parent = getpid();
    if (fork()) return;
    while (!is_asleep(parent)) usleep(1000);
    kill(parent, number);
    _exit(0);
}

static int wait_by(int how) {
    sigset_t none;
    sigemptyset(&none);
    struct epoll_event event;
    struct timespec limit = {5, 0};
    switch (how) {
    case 0: return sigsuspend(&none);
    case 1: return ppoll(0, 0, &limit, &none);
    case 2: return pselect(0, 0, 0, 0, &limit, &none);
    default: return epoll_pwait(epoll_create1(0), &event, 1, 5000, &none);
    }
}

static void waits(void) {
    int numbers[] = {SIGSEGV, SIGTRAP, SIGTERM};
    for (int i = 0; i < 3; i++)
        for (int how = 0; how < 4; how++)
            for (int kind = 0; kind < 3; kind++) {
                pid_t child = fork();
                if (child == 0) {
                    block_all();
                    struct sigaction action = {.sa_handler = handler};
                    if (kind == 2) sigfillset(&action.sa_mask);
                    if (kind) sigaction(numbers[i], &action, 0);
                    send_to_waiting(numbers[i]);
                    int result = wait_by(how);
                    sigset_t pending;
                    sigpending(&pending);
                    dprintf(1, "%d, pending: %d\n", result, sigismember(&pending, numbers[i]));
                    _exit(0);
                }
                int status;
                waitpid(child, &status, 0);
                printf("signal %d, call %d, %s: ended with %x\n", numbers[i], how, kind ? "handled" : "default", status & 0x7f);
                fflush(stdout);
            }
}

static volatile int is_asked;

static void *take(void *sender) {
    sigset_t all;
    sigfillset(&all);
    siginfo_t info = {0};
    struct timespec limit = {5, 0};
    while (!is_asked);
    int number = sigtimedwait(&all, &info, &limit);
    printf("taken: %d, %s\n", number, info.si_pid == *(pid_t *)sender ? "from who has sent it" : "from somebody else");
    return 0;
}

static void another_thread(void) {
    for (int from_child = 0; from_child < 2; from_child++) {
        pthread_t thread;
        pid_t sender = getpid();
        block_all();
        is_asked = 0;
        pthread_create(&thread, 0, take, &sender);
        // What comes to this thread first.
        raise(SIGBUS);
        int number;
        sigset_t bus;
        sigemptyset(&bus);
        sigaddset(&bus, SIGBUS);
        sigwait(&bus, &number);
        if (from_child) {
            pid_t parent = getpid();
            if ((sender = fork()) == 0) kill(parent, SIGTRAP), _exit(0);
            waitpid(sender, 0, 0);
        } else {
            kill(getpid(), SIGTRAP);
        }
        sigset_t pending;
        int tries = 0;
        do sigpending(&pending);
        while (!sigismember(&pending, SIGTRAP) && tries++ < 2000 && !usleep(1000));
        printf("pending: %d\n", sigismember(&pending, SIGTRAP));
        is_asked = 1;
        pthread_join(thread, 0);
    }
}

static void others_pending(void) {
    block_all();
    raise(SIGSEGV);
    raise(SIGSYS);
    raise(SIGTRAP);
    raise(SIGABRT);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTRAP);
    sigprocmask(SIG_UNBLOCK, &set, 0);
}

int main(int count, char **arguments) {
    if (!strcmp(arguments[1], "waits")) waits();
    if (!strcmp(arguments[1], "another-thread")) another_thread();
    if (!strcmp(arguments[1], "others-pending")) others_pending();
    return 0;
}
