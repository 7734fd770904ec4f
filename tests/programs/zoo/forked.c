// sources: zoo.h
/* A forked child crashes; its parent ends as the child did. With "vfork" the child has its parent's memory. With "both" the parent crashes next. */
#include "zoo.h"

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    pid_t child = strstr(way, "vfork") ? vfork() : fork();
    if (child == 0) {
        sink = serve(0); /* CALL */
        _exit(1);
    }
    int status = 0;
    check(waitpid(child, &status, 0) == child, "waitpid");
    if (strstr(way, "both"))
        sink = serve(0); /* CALL */
    return WIFSIGNALED(status) ? WTERMSIG(status) : 98;
}
