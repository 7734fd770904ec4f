// A SIGPIPE that the program sends, and that doesn't come to it: to another group, to nobody, or before it forks. A socket that
// breaks afterwards, where no call tells of it (the signal is blocked meanwhile), kills nobody.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t other; // in a group of its own

static void to_another_group(void) { kill(-other, SIGPIPE); }
static void to_another_group_by_killpg(void) { killpg(other, SIGPIPE); }
static void to_nobody(void) {
    errno = 0;
    if (kill(-0x7ffffff0, SIGPIPE) != -1 || errno != ESRCH) _exit(1);
    if (killpg(0x7ffffff0, SIGPIPE) != -1 || errno != ESRCH) _exit(2);
}
static void before_it_forks(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, 0);
    kill(getpid(), SIGPIPE);
    pid_t child = fork(); // pending signals are not inherited
    if (!child) return;
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
    kill(getpid(), SIGKILL);
}

static void break_a_socket_while_blocked(void) {
    int ends[2];
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, 0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    close(ends[1]);
    if (write(ends[0], "x", 1) != -1 || errno != EPIPE) _exit(3);
    sigprocmask(SIG_UNBLOCK, &set, 0);
}

int main(void) {
    struct { const char *name; void (*act)(void); } ways[] = {
        {"to another group", to_another_group}, {"by killpg", to_another_group_by_killpg}, {"to nobody", to_nobody},
        {"before it forks", before_it_forks},
    };
    other = fork();
    if (!other) {
        signal(SIGPIPE, SIG_IGN);
        setpgid(0, 0);
        for (;;) pause();
    }
    setpgid(other, other);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        pid_t child = fork();
        if (!child) {
            alarm(5);
            ways[i].act();
            break_a_socket_while_blocked();
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) printf("%s: %s\n", ways[i].name, strsignal(WTERMSIG(status)));
        else printf("%s: exit %d\n", ways[i].name, WEXITSTATUS(status));
    }
    kill(other, SIGKILL);
    return 0;
}
