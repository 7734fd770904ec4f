// An HTTP server. "workers": by children whose first threads have ended. "vfork": beside a child by vfork that stays. For each broken pipe
// that it is told of there is a byte in the file of the second argument.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listener;
static int told;

static void *serve(void *first) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhere\n";
    char request[4096];
    if (first) pthread_join(*(pthread_t *)first, 0);
    for (;;) {
        int client = accept(listener, 0, 0);
        if (client < 0) continue;
        while (read(client, request, sizeof request) == (ssize_t)sizeof request) continue;
        for (int n = 0; n < 3; n++) {
            // The client's reset is on its way.
            if (n == 1) poll(&(struct pollfd){.fd = client}, 1, 100);
            if (write(client, answer, sizeof answer - 1) < 0 && errno == EPIPE && write(told, "x", 1) != 1) _exit(1);
        }
        close(client);
    }
    return 0;
}

int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static pthread_t first;
    pthread_t thread;
    if (count < 3) return 2;
    told = open(arguments[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (told < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0) return 1;
    if (strcmp(arguments[1], "vfork") == 0) {
        pthread_create(&thread, 0, serve, 0);
        if (vfork() == 0) {
            // When SIGPIPE has ended its parent, it would keep the port open, where nobody answers any more.
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) pause();
        }
        return 1;
    }
    for (;;) {
        if (fork() == 0) {
            first = pthread_self();
            pthread_create(&thread, 0, serve, &first);
            pthread_exit(0);
        }
        wait(0);
    }
}
