/*
 * What the programs of the zoo share. Each dies in one way, in fail(), which most of them reach by
 *
 *     main -> serve -> parse -> fail
 *
 * The line that dies is marked CRASH in a comment, those that led there are marked CALL: the judge finds them there.
 * A file that needs a library of its own says so in a line "// library: NAME.c".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* A function with a frame of its own in every build: not inlined, not cloned, nothing assumed about it. */
#define FN __attribute__((noipa, unused))
/* The same for its callees: what is written to `sink` after a call keeps that call from becoming a jump. */
static volatile long sink __attribute__((unused));
/* Nobody can know at compile time where these point. */
static int *volatile nowhere __attribute__((unused));
static volatile int zero __attribute__((unused));

/* Which way, where a program knows several. */
static const char *way __attribute__((unused)) = "";

/* Tells the judge, on stdout, by the plainest means: who will crash and where. */
FN static void will_crash_at(const void *address) {
    char name[16] = "", line[128];
    prctl(PR_GET_NAME, name);
    int length = snprintf(line, sizeof line, "crash pid=%d tid=%ld address=%#lx name=%s\n", getpid(),
                          syscall(SYS_gettid), (unsigned long)address, name);
    sink = write(1, line, (size_t)length);
}

FN static void check(int holds, const char *what) {
    if (!holds) {
        char line[128];
        int length = snprintf(line, sizeof line, "zoo: %s: %s\n", what, strerror(errno));
        sink = write(2, line, (size_t)length);
        _exit(99);
    }
}

/* What the processor tells of an access to an address that is none: x86_64 nothing, arm64 all, but a jump leaves its highest byte out. */
#ifdef __aarch64__
#define TOLD_OF_ACCESS(address) ((void *)(address))
#define TOLD_OF_JUMP(address) ((void *)((address) & 0xffffffffffffff))
#else
#define TOLD_OF_ACCESS(address) NULL
#define TOLD_OF_JUMP(address) NULL
#endif

/* What pause() calls. */
#ifdef SYS_pause
#define SYS_in_pause SYS_pause
#else
#define SYS_in_pause SYS_ppoll
#endif

/* Waits until a thread, of whatever process, is inside a system call. */
FN static void wait_until_in(long call, pid_t process, long thread) {
    char name[64], state[8];
    snprintf(name, sizeof name, "/proc/%d/task/%ld/syscall", process, thread);
    for (;;) {
        memset(state, 0, sizeof state);
        int file = open(name, O_RDONLY);
        check(file >= 0 && read(file, state, sizeof state - 1) > 0, "/proc/PID/task/TID/syscall");
        close(file);
        /* "running" otherwise */
        if (state[0] >= '0' && state[0] <= '9' && atol(state) == call)
            return;
    }
}

#ifndef OWN_CHAIN
FN int fail(int depth);

FN static int parse(int depth) {
    sink = fail(depth + 1); /* CALL */
    return (int)sink + 1;
}

FN static int serve(int depth) {
    sink = parse(depth + 1); /* CALL */
    return (int)sink + 1;
}
#endif

#define ARGUMENTS(count, vector) (way = (count) > 1 ? (vector)[1] : "")

/* A thread with a name. */
FN static pthread_t __attribute__((unused)) start(void *(*body)(void *), const char *name, size_t stack) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (stack)
        check(pthread_attr_setstacksize(&attributes, stack) == 0, "stack size");
    check(pthread_create(&thread, &attributes, body, (void *)name) == 0, "pthread_create"); /* CALL */
    return thread;
}

static void __attribute__((unused)) handle(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {};
    action.sa_flags = flags;
    action.sa_handler = handler;
    check(sigaction(signal, &action, NULL) == 0, "sigaction");
}
