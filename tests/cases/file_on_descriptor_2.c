// What gets number 2 after standard error was closed, or is put there by name, and whether a crash report goes to it. First argument: how
// it gets the number; what is in the file afterwards is said on standard output.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) static int query(int *volatile row) { return *row; }

static int append_to(const char *name) { return open(name, O_WRONLY | O_APPEND | O_CREAT, 0600); }

int main(int argc, char **argv) {
    const char *way = argv[1];
    int report[2], status;
    pipe(report);
    struct sockaddr_un address = {AF_UNIX, "listener"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (void *)&address, sizeof address);
    listen(listener, 1);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(client, (void *)&address, sizeof address);
    pid_t server = fork();
    if (server == 0) {
        if (!strcmp(way, "journal")) { // append-only, as redis' AOF
            close(2);
            if (append_to("file") != 2) return 9;
        } else if (!strcmp(way, "twice")) { // one database, open twice
            close(1), close(2);
            if (open("file", O_RDWR | O_CREAT, 0600) != 1 || open("file", O_RDWR) != 2) return 9;
        } else if (!strcmp(way, "pipe")) { // a pipe between the server's own parts
            close(2);
            if (dup(report[1]) != 2) return 9;
        } else if (!strcmp(way, "replaced")) { // a log for a while, then a database
            dup2(append_to("log"), 2);
            close(2);
            if (open("file", O_RDWR | O_CREAT, 0600) != 2) return 9;
        } else if (!strcmp(way, "vforked")) { // a child has a log there, not the server
            if (vfork() == 0) {
                dup2(append_to("file"), 2);
                _exit(0);
            }
            wait(&status);
            close(2);
            if (open("file", O_RDWR) != 2) return 9;
        } else if (!strcmp(way, "served")) { // a local client, put there as inetd would
            int connection = accept(listener, 0, 0);
            dup2(connection, 0), dup2(connection, 1), dup2(connection, 2);
        } else if (!strcmp(way, "dup3")) {
            dup3(append_to("file"), 2, 0);
        } else if (!strcmp(way, "freopen")) {
            if (!freopen("file", "a", stderr)) return 9;
        } else if (!strcmp(way, "freopen64")) {
            if (!freopen64("file", "a", stderr)) return 9;
        } else if (!strcmp(way, "dup")) { // daemons of old
            close(0), close(1), close(2);
            open("file", O_RDWR | O_CREAT, 0600), dup(0), dup(0);
        } else if (!strcmp(way, "pipe-dup2")) {
            dup2(report[1], 2);
        } else {
            return 9;
        }
        return query(0);
    }
    waitpid(server, &status, 0);
    close(report[1]), close(listener);
    static char text[1 << 20];
    int length = 0, n;
    int from[] = {open("file", O_RDONLY), report[0], client};
    for (int i = 0; i < 3; i++)
        while (from[i] >= 0 && (n = read(from[i], text + length, sizeof text - 1 - length)) > 0) length += n;
    printf("signal %d, %s\n", WTERMSIG(status), strstr(text, "crashed: SIGSEGV") ? "a report" : length ? "something" : "nothing");
    return 0;
}
