// sources: zoo.h
/* While one thread crashes, another ends the process: by exit, _exit or by returning from main. */
#include "zoo.h"

static volatile long crashing;

int fail(int depth) {
    will_crash_at(NULL);
    crashing = syscall(SYS_gettid);
    return nowhere[0] + depth; /* CRASH */
}

FN static void *worker(void *name) {
    prctl(PR_SET_NAME, name);
    sink = serve(0); /* CALL */
    return NULL;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    start(worker, "crasher", 0);
    /* Bare, the crash ends the process here. A thread in a handler has signals blocked, and this one has no other. */
    char name[64], status[4096] = "";
    unsigned long blocked = 0;
    while (!blocked) {
        snprintf(name, sizeof name, "/proc/self/task/%ld/status", crashing);
        int file = open(name, O_RDONLY);
        if (crashing && file >= 0 && read(file, status, sizeof status - 1) > 0)
            blocked = strtoul(strstr(status, "SigBlk:") + 7, NULL, 16);
        close(file);
    }
    if (strcmp(way, "exit") == 0)
        exit(7);
    if (strcmp(way, "_exit") == 0)
        _exit(7);
    return 7;
}
