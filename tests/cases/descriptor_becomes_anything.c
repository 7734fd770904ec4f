// As descriptor_reused_while_writing, with the other calls, and with everything that may get the number of the socket.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NUMBER = 100 };
static struct iovec vector = {"x", 1};

static int a_file(void) { return memfd_create("file", 0); }
static int an_event(void) { return eventfd(0, EFD_NONBLOCK); }
static int a_pipe(void) { int ends[2]; pipe2(ends, O_NONBLOCK); return ends[1]; } // its reader lives
static int a_read_end(void) { int ends[2]; pipe2(ends, O_NONBLOCK); return ends[0]; }
static int an_epoll(void) { return epoll_create1(0); }
static int nothing(void) { return -1; }

static long by_write(void) { return write(NUMBER, "x", 1); }
static long by_writev(void) { return writev(NUMBER, &vector, 1); }
static long by_pwritev2(void) { return pwritev2(NUMBER, &vector, 1, -1, 0); }
static long by_syscall(void) { return syscall(SYS_write, NUMBER, "x", 1); }
static long by_sendto(void) { return syscall(SYS_sendto, NUMBER, "x", 1, 0, 0, 0); }

static int other;
static void *closer(void *unused) {
    for (;;) {
        int pair[2];
        if (other >= 0) dup2(other, NUMBER); else close(NUMBER);
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        dup2(pair[0], NUMBER);
        close(pair[0]);
        close(pair[1]);
        for (volatile int i = 0; i < 50; i++);
    }
}

static int trial(int (*make)(void), long (*act)(void)) {
    other = make();
    pthread_t thread;
    pthread_create(&thread, 0, closer, 0);
    long broken = 0;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 1000; i++)
            if (act() < 0 && errno == EPIPE) broken++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 250);
    return broken ? 0 : 1;
}

int main(void) {
    struct { const char *name; int (*make)(void); } things[] = {
        {"file", a_file}, {"eventfd", an_event}, {"pipe", a_pipe}, {"read end", a_read_end}, {"epoll", an_epoll}, {"nothing", nothing},
    };
    struct { const char *name; long (*act)(void); } calls[] = {
        {"write", by_write}, {"writev", by_writev}, {"pwritev2", by_pwritev2}, {"syscall write", by_syscall}, {"syscall sendto", by_sendto},
    };
    int dead = 0;
    for (unsigned i = 0; i < sizeof things / sizeof *things; i++)
        for (unsigned j = 0; j < sizeof calls / sizeof *calls; j++) {
            fflush(stdout);
            pid_t child = fork();
            if (!child) _exit(trial(things[i].make, calls[j].act));
            int status;
            waitpid(child, &status, 0);
            if (WIFSIGNALED(status)) dead++, printf("%s, %s: %s\n", things[i].name, calls[j].name, strsignal(WTERMSIG(status)));
        }
    puts(dead ? "died" : "survived");
    return 0;
}
