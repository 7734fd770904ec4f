/* calls TARGET CALL [threads]: one call that breaks a socket or a pipe. Prints what it returned. `calls socket all` makes all
   calls, one after the other. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int broken, source[2], connected[2], file;
static struct iovec vector = {"x", 1};
static struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

static long call_write(void) { return write(broken, "x", 1); }
static long call_writev(void) { return writev(broken, &vector, 1); }
static long call_dprintf(void) { return dprintf(broken, "x"); }
static long call_syscall(void) { return syscall(SYS_write, broken, "x", 1); }
static long call_sendfile(void) { return sendfile(broken, file, NULL, 1); }
static long call_splice(void) { return splice(source[0], NULL, broken, NULL, 1, 0); }
static long call_splice_socket(void) { return splice(connected[0], NULL, broken, NULL, 1, 0); }
static long call_sendto(void) { return syscall(SYS_sendto, broken, "x", 1, 0, NULL, 0); }
static long call_sendmsg(void) { return syscall(SYS_sendmsg, broken, &message, 0); }

static const struct {
    const char *name;
    long (*call)(void);
    int is_for; /* 1: sockets, 2: pipes */
} calls[] = {
    {"write", call_write, 3},       {"writev", call_writev, 3},     {"dprintf", call_dprintf, 3},
    {"syscall", call_syscall, 3},   {"sendfile", call_sendfile, 3}, {"splice", call_splice, 3},
    {"sendto", call_sendto, 1},     {"sendmsg", call_sendmsg, 1},   {"splice-socket", call_splice_socket, 2},
};

static void *waits(void *argument) {
    pause();
    return argument;
}

int main(int argc, char **argv) {
    int pair[2], is_socket = argc > 2 && !strcmp(argv[1], "socket");
    pthread_t thread;
    if (argc > 3 && pthread_create(&thread, NULL, waits, NULL))
        return 2;
    if (is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, pair) : pipe(pair))
        return 2;
    broken = pair[!is_socket];
    close(pair[is_socket]);
    if (pipe(source) || socketpair(AF_UNIX, SOCK_STREAM, 0, connected) || write(source[1], "x", 1) != 1)
        return 2;
    if (write(connected[1], "x", 1) != 1 || (file = open(argv[0], O_RDONLY)) < 0)
        return 2;
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        int is_chosen = argc > 2 && (!strcmp(argv[2], calls[i].name) || !strcmp(argv[2], "all"));
        if (is_chosen && calls[i].is_for & (is_socket ? 1 : 2)) {
            errno = 0;
            long result = calls[i].call();
            printf("%s %ld %d\n", calls[i].name, result, errno);
            fflush(stdout);
        }
    }
    return 0;
}
