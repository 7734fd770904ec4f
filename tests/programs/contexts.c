/* contexts WHERE: writes to a broken socket, by send and by write, in a place where little is allowed. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int broken(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        abort();
    close(pair[1]);
    return pair[0];
}

static int survive(void) {
    int fd = broken();
    int good = 0;
    errno = 0;
    good += send(fd, "x", 1, 0) == -1 && errno == EPIPE;
    errno = 0;
    good += write(fd, "x", 1) == -1 && errno == EPIPE;
    close(fd);
    return good == 2;
}

static void say(const char *what) {
    if (write(1, what, strlen(what)) < 0)
        _exit(1);
}

static void report(void) { say(survive() ? "survived\n" : "WRONG\n"); }

/* Runs before main, and in a program that was linked, not preloaded, possibly before the library's own constructor. */
__attribute__((constructor(101))) static void early(void) {
    const char *where = getenv("TEST_WHERE");
    if (where && strcmp(where, "constructor") == 0)
        report();
}
__attribute__((destructor)) static void late(void) {
    const char *where = getenv("TEST_WHERE");
    if (where && strcmp(where, "destructor") == 0)
        report();
}

static void in_handler(int signum) {
    (void)signum;
    report();
}
static void *in_thread(void *unused) {
    (void)unused;
    report();
    return NULL;
}
static void *cancelled(void *kind) {
    char byte;
    int fd = *(int *)kind;
    if (listen(fd, 1) == 0)
        accept(fd, NULL, NULL);
    else
        recv(fd, &byte, 1, 0);
    say("WRONG: not cancelled\n");
    return NULL;
}
static void *sender(void *argument) {
    static char block[1 << 16];
    for (;;)
        if (send(*(int *)argument, block, sizeof block, 0) < 0)
            return NULL;
}
static void cancel(void *(*body)(void *), int fd) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, body, &fd);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    say(result == PTHREAD_CANCELED ? "cancelled\n" : "WRONG: ended\n");
}

int main(int argc, char **argv) {
    const char *where = argc > 1 ? argv[1] : "main";
    if (strcmp(where, "main") == 0)
        report();
    else if (strcmp(where, "handler") == 0) {
        signal(SIGUSR1, in_handler);
        raise(SIGUSR1);
    } else if (strcmp(where, "altstack") == 0) {
        stack_t stack = {.ss_sp = malloc(MINSIGSTKSZ * 4), .ss_size = MINSIGSTKSZ * 4};
        sigaltstack(&stack, NULL);
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = in_handler, .sa_flags = SA_ONSTACK}, NULL);
        raise(SIGUSR1);
    } else if (strcmp(where, "fork") == 0) {
        pid_t child = fork();
        if (child == 0) {
            report();
            _exit(0);
        }
        waitpid(child, NULL, 0);
        report();
    } else if (strcmp(where, "vfork") == 0) {
        pid_t child = vfork();
        if (child == 0) {
            report();
            _exit(0);
        }
        waitpid(child, NULL, 0);
        report();
    } else if (strcmp(where, "atexit") == 0)
        atexit(report);
    else if (strcmp(where, "tiny-stack") == 0) {
        pthread_attr_t attributes;
        pthread_t thread;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, 16384);
        pthread_create(&thread, &attributes, in_thread, NULL);
        pthread_join(thread, NULL);
    } else if (strcmp(where, "all-blocked") == 0) {
        sigset_t set;
        sigfillset(&set);
        sigdelset(&set, SIGPIPE);
        sigprocmask(SIG_BLOCK, &set, NULL);
        report();
    } else if (strcmp(where, "cancel-accept") == 0)
        cancel(cancelled, socket(AF_INET, SOCK_STREAM, 0));
    else if (strcmp(where, "cancel-recv") == 0) {
        int pair[2];
        socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
        cancel(cancelled, pair[0]);
    } else if (strcmp(where, "cancel-send") == 0) {
        int pair[2];
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        cancel(sender, pair[0]);
    } else if (strcmp(where, "no-descriptors") == 0) {
        int fd = broken();
        for (int other = 3; other < 64; other++)
            if (other != fd)
                close(other);
        close(2);
        report();
    } else if (strcmp(where, "many-threads") == 0) {
        pthread_t threads[16];
        for (int i = 0; i < 16; i++)
            pthread_create(&threads[i], NULL, in_thread, NULL);
        for (int i = 0; i < 16; i++)
            pthread_join(threads[i], NULL);
    }
    return 0;
}
