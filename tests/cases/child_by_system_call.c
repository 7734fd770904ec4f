// A child by syscall(2), as vsftpd makes its sessions, may not make processes of its own any more, so that no copy of it can write the
// report: it writes that itself, since its memory is its own, where it has been told to. Its standard error is a client's.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) static int serve(int *volatile request) { return *request; }

int main(int count, char **arguments) {
    int client[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, client);
    const char *how = count > 1 ? arguments[1] : "clone";
    long child;
#ifdef SYS_fork
    if (!strcmp(how, "fork")) child = syscall(SYS_fork);
    else
#endif
        child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        dup2(client[1], 2);
        setrlimit(RLIMIT_NPROC, &none);
        if (setuid(65534)) _exit(9);
        return serve((int *)16);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child: signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    char bytes[4096];
    printf("client: %zd bytes\n", recv(client[0], bytes, sizeof bytes, MSG_DONTWAIT));
    return 0;
}
