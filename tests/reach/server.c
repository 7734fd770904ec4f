/* server COUNT: a naive server whose clients vanish. COUNT of them connect, reset the connection and are answered. Prints how
   many answers failed with EPIPE. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0), failed = 0;
    if (bind(server, (void *)&address, length) || listen(server, 8) || getsockname(server, (void *)&address, &length))
        return 2;
    for (int left = argc > 1 ? atoi(argv[1]) : 1; left > 0; left--) {
        struct linger reset = {1, 0};
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (void *)&address, length))
            return 3;
        int connection = accept(server, NULL, NULL);
        setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(client);
        /* When the reset has come, the first write finds it, and the second a connection that is none any more. */
        poll(&(struct pollfd){.fd = connection}, 1, -1);
        if (write(connection, "a", 1) < 0)
            errno = 0;
        failed += write(connection, "b", 1) < 0 && errno == EPIPE;
        close(connection);
    }
    printf("%d\n", failed);
    return 0;
}
