// Runs a program and takes over what that leaves behind: a daemon's grandchildren come to it. Prints one line for each
// process that ends as its child, "PID ended: signal 11, core" or "PID ended: exit 0". Asked to end, it ends them all.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// The children of the moment. What they leave behind comes to us, and is killed in the next round.
static void kill_children(void) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    FILE *children = fopen(path, "r");
    int child;
    while (children && fscanf(children, "%d", &child) == 1)
        kill(child, SIGKILL);
    if (children)
        fclose(children);
}

static void tell(pid_t pid, int status) {
    if (WIFSIGNALED(status))
        printf("%d ended: signal %d%s\n", pid, WTERMSIG(status), WCOREDUMP(status) ? ", core" : "");
    else
        printf("%d ended: exit %d\n", pid, WEXITSTATUS(status));
}

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigset_t watched, before;
    sigemptyset(&watched);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, &before);

    if (fork() == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[1], argv + 1);
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        _exit(127);
    }
    int signal, status;
    pid_t pid;
    do {
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            tell(pid, status);
        sigwait(&watched, &signal);
    } while (signal != SIGTERM);
    do {
        kill_children();
        pid = waitpid(-1, &status, 0);
        if (pid > 0)
            tell(pid, status);
    } while (pid > 0);
    return 0;
}
