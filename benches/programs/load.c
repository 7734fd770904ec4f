// Asks an HTTP server on loopback for the same thing again and again: `load PORT PATH CONNECTIONS REQUESTS WAYS`.
// WAYS is `kept` for connections that stay, `new` for one connection per request. Prints the requests per second.
//
// flags: -pthread
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};
static char request[4200];
static int requests, new_each;

static void need(int true_, const char *what) {
    if (true_) return;
    perror(what);
    exit(2);
}

static int connected(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    need(fd >= 0, "socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    need(!connect(fd, (struct sockaddr *)&address, sizeof address), "connect");
    return fd;
}

// Reads one answer to its end: the header, and as much as it announces.
static void answer(int fd, char *buffer, size_t size) {
    size_t have = 0, whole = 0;
    while (!whole || have < whole) {
        // The body is only counted.
        size_t at = whole ? 0 : have;
        ssize_t got = read(fd, buffer + at, size - 1 - at);
        need(got > 0, "an answer that is cut off");
        have += got;
        if (whole) continue;
        buffer[have] = 0;
        char *end = strstr(buffer, "\r\n\r\n"), *length = strcasestr(buffer, "\r\nContent-Length:");
        if (end) whole = end + 4 - buffer + (length ? strtoul(length + 17, NULL, 10) : 0);
    }
    need(have == whole, "an answer of the announced length");
}

static void *client(void *unused) {
    size_t size = 1 << 18;
    char *buffer = malloc(size);
    int fd = -1;
    for (int i = 0; i < requests; i++) {
        if (fd < 0) fd = connected();
        need(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request), "send");
        answer(fd, buffer, size);
        if (new_each) close(fd), fd = -1;
    }
    free(buffer);
    return unused;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    enum { MOST = 64 };
    pthread_t threads[MOST];
    if (argc != 6) return 1;
    int connections = atoi(argv[3]);
    if (connections < 1 || connections > MOST) return 1;
    address.sin_port = htons(atoi(argv[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[2]);
    requests = atoi(argv[4]) / connections;
    new_each = !strcmp(argv[5], "new");
    double start = now();
    for (int i = 0; i < connections; i++) need(!pthread_create(&threads[i], NULL, client, NULL), "pthread_create");
    for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    printf("%.0f\n", requests * connections / (now() - start));
    return 0;
}
