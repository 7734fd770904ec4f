// Three writes to a socket whose other end is closed. Prints what each returned.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void show(const char *call, ssize_t result) {
    printf("%s %zd %s\n", call, result, result < 0 ? strerrorname_np(errno) : "");
    fflush(stdout);
}

int main(void) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 1;
    close(pair[1]);
    show("send", send(pair[0], "x", 1, 0));
    show("write", write(pair[0], "x", 1));
    return 0;
}
