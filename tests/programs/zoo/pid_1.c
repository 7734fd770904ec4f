// sources: zoo.h
/* Crashes as the first process of a pid namespace, whom the kernel spares: status is its exit code or 128 + signal. */
#include "zoo.h"
#include <sched.h>

int fail(int depth) {
    will_crash_at(NULL);
    if (strcmp(way, "abort") == 0)
        abort(); /* CRASH abort */
    return nowhere[0] + depth; /* CRASH fault */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    int status = 0;
    check(unshare(CLONE_NEWPID) == 0, "unshare");
    pid_t child = fork();
    if (child == 0) {
        check(getpid() == 1, "pid 1");
        sink = serve(0); /* CALL */
    }
    check(waitpid(child, &status, 0) == child, "waitpid");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
