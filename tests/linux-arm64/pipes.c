// pipes WHAT: what broken pipes and sockets do. Ends with 0 where all went on.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int caught;
static void count(int signal) { caught++; }

static void *write_there(void *fd) {
    write(*(int *)fd, "x", 1);
    return 0;
}

int main(int argc, char **argv) {
    int ends[2], pair[2];
    pipe(ends);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    const char *what = argv[1];
    if (!strcmp(what, "yes")) // until nobody reads
        for (;;) write(1, "y\n", 2);
    close(ends[0]);
    if (!strcmp(what, "pipe")) write(ends[1], "x", 1);
    if (!strcmp(what, "pipe_in_thread")) {
        pthread_t thread;
        pthread_create(&thread, 0, write_there, &ends[1]);
        pthread_join(thread, 0);
    }
    if (!strcmp(what, "stdio")) {
        FILE *stream = fdopen(ends[1], "w");
        fputs("x", stream), fflush(stream);
    }
    if (!strcmp(what, "splice")) { // from a socket to a broken pipe
        write(pair[0], "x", 1);
        splice(pair[1], 0, ends[1], 0, 1, 0);
    }
    if (!strcmp(what, "socket_beside_pipe")) { // the pipe is broken, too, but nobody writes to it
        close(pair[0]);
        return !(write(pair[1], "x", 1) < 0 && errno == EPIPE);
    }
    if (!strcmp(what, "handler")) { // a program's own handler: for pipes and raise, not for sockets
        signal(SIGPIPE, count);
        raise(SIGPIPE), kill(getpid(), SIGPIPE);
        if (caught != 2) return 10 + caught;
        write(ends[1], "x", 1);
        if (caught != 3) return 20 + caught;
        close(ends[1]), close(pair[0]);
        write(pair[1], "x", 1);
        return caught == 3 ? 0 : 30 + caught;
    }
    if (!strcmp(what, "raise")) raise(SIGPIPE);
    if (!strcmp(what, "kill")) kill(getpid(), SIGPIPE);
    if (!strcmp(what, "children")) { // SIGPIPE as a child finds it, by posix_spawn, vfork, fork; and lists of arguments
        int status;
        pid_t child;
        char *arguments[] = {argv[0], "ignored", NULL};
        if (posix_spawn(&child, argv[0], 0, 0, arguments, environ)) return 8;
        waitpid(child, &status, 0);
        if (status) return 1;
        child = vfork();
        if (!child) execl(argv[0], argv[0], "ignored", NULL), _exit(9);
        waitpid(child, &status, 0);
        if (status) return 2;
        if (!(child = fork())) execlp(argv[0], argv[0], "many", "3", "4", "5", "6", "7", "8", "9", "10", NULL), _exit(9);
        waitpid(child, &status, 0);
        if (status) return 3;
        char *environment[] = {"LD_PRELOAD=", "A=b", NULL};
        if (!(child = fork())) execle(argv[0], argv[0], "environment", NULL, environment), _exit(9);
        waitpid(child, &status, 0);
        return status ? 4 : 0;
    }
    if (!strcmp(what, "ignored")) {
        FILE *file = fopen("/proc/self/status", "r");
        char line[256];
        unsigned long ignored = 1ul << 63;
        while (fgets(line, sizeof line, file)) sscanf(line, "SigIgn: %lx", &ignored);
        return (ignored >> (SIGPIPE - 1)) & 1;
    }
    if (!strcmp(what, "many")) {
        for (int i = 2; i < argc; i++)
            if (atoi(argv[i]) != i + 1) return 1;
        return argc != 10;
    }
    if (!strcmp(what, "environment")) return !getenv("A") || strcmp(getenv("A"), "b");
    return 0;
}
