// sources: zoo.h
/* Crashes while it is traced, as under strace. */
#include "zoo.h"
#include <sys/ptrace.h>

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(void) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        check(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0, "ptrace");
        sink = serve(0); /* CALL */
        _exit(1);
    }
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
        ptrace(PTRACE_CONT, child, NULL, WSTOPSIG(status));
    return WIFSIGNALED(status) ? WTERMSIG(status) : 98;
}
