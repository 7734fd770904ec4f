// server CALL CLIENTS: a naive server whose clients vanish. Each connects, resets the connection, and is written to by the
// call of that name until the call fails. With a broken pipe among the descriptors if PIPE is set in the environment.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[] = "hello";
static int file, from_pipe;

static ssize_t answer(const char *call, int fd) {
    struct iovec vector = {text, 5};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    struct mmsghdr messages = {.msg_hdr = message};
    if (!strncmp(call, "send", 4)) sched_yield();
    if (!strcmp(call, "write")) return write(fd, text, 5);
    if (!strcmp(call, "writev")) return writev(fd, &vector, 1);
    if (!strcmp(call, "pwritev2")) return pwritev2(fd, &vector, 1, -1, 0);
    if (!strcmp(call, "send")) return send(fd, text, 5, 0);
    if (!strcmp(call, "sendto")) return sendto(fd, text, 5, 0, 0, 0);
    if (!strcmp(call, "sendmsg")) return sendmsg(fd, &message, 0);
    if (!strcmp(call, "sendmmsg")) return sendmmsg(fd, &messages, 1, 0);
    if (!strcmp(call, "sendto_raw")) return syscall(SYS_sendto, fd, text, 5, 0, 0, 0);
    if (!strcmp(call, "write_raw")) return syscall(SYS_write, fd, text, 5);
    if (!strcmp(call, "sendfile")) return sendfile(fd, file, &(off_t){0}, 5);
    if (!strcmp(call, "splice")) {
        int ends[2];
        pipe(ends);
        write(ends[1], text, 5);
        ssize_t done = splice(ends[0], 0, fd, 0, 5, 0);
        int error = errno;
        close(ends[0]), close(ends[1]);
        errno = error;
        return done;
    }
    abort();
}

int main(int argc, char **argv) {
    int listening = socket(AF_INET, SOCK_STREAM, 0), clients = atoi(argv[2]), survived = 0;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof name;
    if (bind(listening, (void *)&name, length) || listen(listening, 64)) return 2;
    getsockname(listening, (void *)&name, &length);
    file = open(argv[0], O_RDONLY);
    if (getenv("PIPE")) {
        int ends[2];
        pipe(ends), close(ends[0]);
    }
    for (int i = 0; i < clients; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (void *)&name, length)) return 3;
        int served = accept(listening, 0, 0);
        struct linger reset = {1, 0};
        setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(client);
        // The reset may take its time on a busy machine.
        poll(&(struct pollfd){.fd = served}, 1, -1);
        int error = 0;
        for (int tries = 0; tries < 1000 && error != EPIPE; tries++) error = answer(argv[1], served) < 0 ? errno : 0;
        if (error == EPIPE) survived++;
        close(served);
    }
    printf("survived %d\n", survived);
    return survived != clients;
}
