/* The same in C++: a program that links with the library. Runs with NOSIGPIPE_SCOPE=off, so that only the two functions protect it. */
#include "../../include/nosigpipe.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
    int pair[2];
    char data[8];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 1;
    errno = 4711;
    printf("configure %d", nosigpipe_configure_socket(pair[0]));
    printf(" errno %d\n", errno);
    printf("send %zd", nosigpipe_send(pair[0], "hello", 5, 0));
    printf(" errno %d, arrived %zd\n", errno, recv(pair[1], data, sizeof data, 0));
    close(pair[1]);
    printf("send %zd", nosigpipe_send(pair[0], "hello", 5, 0));
    printf(" %s\n", strerrorname_np(errno));
    printf("configure %d", nosigpipe_configure_socket(0));
    printf(" %s\n", strerrorname_np(errno));
    printf("configure %d", nosigpipe_configure_socket(-1));
    printf(" %s\n", strerrorname_np(errno));
    printf("send %zd", nosigpipe_send(-1, "hello", 5, 0));
    printf(" %s\n", strerrorname_np(errno));
    return 0;
}
