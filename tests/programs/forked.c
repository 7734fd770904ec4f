/* forked HOW: what SIGPIPE is in a child that executes nothing. HOW: fork, _Fork, or twice (a child's child). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const char *how) {
    int ends[2], pair[2];
    if (strcmp(how, "twice") == 0 && fork() != 0) {
        int status;
        wait(&status);
        _exit(WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    dprintf(1, "child believes %s\n", action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "handler");
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    close(pair[1]);
    ssize_t result = write(pair[0], "x", 1);
    dprintf(1, "socket %zd %s\n", result, strerrorname_np(errno));
    if (pipe(ends) < 0)
        _exit(2);
    close(ends[0]);
    result = write(ends[1], "x", 1);
    dprintf(1, "pipe %zd %s\n", result, strerrorname_np(errno));
    _exit(0);
}

int main(int argc, char **argv) {
    int status;
    pid_t pid = argc > 1 && strcmp(argv[1], "_Fork") == 0 ? _Fork() : fork();
    if (pid == 0)
        child(argv[1]);
    waitpid(pid, &status, 0);
    printf("status %d\n", WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status));
    return 0;
}
