// sources: zoo.h
/* Another process sends the signal. With "worker" main waits for a thread, and only the thread takes signals. */
#include "zoo.h"

int fail(int depth) {
    pid_t parent = getpid();
    long thread = syscall(SYS_gettid);
    will_crash_at(NULL);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dprintf(1, "sender pid=%d\n", getpid());
        /* Once it waits, and not before. */
        wait_until_in(SYS_in_pause, parent, thread);
        kill(parent, atoi(strchr(way, ':') + 1));
        /* Whoever reports on the sender must find it; it goes when its parent is gone. */
        for (;;)
            pause();
    }
    for (;;)
        pause(); /* CRASH */
    return depth;
}

FN static void *worker(void *name) {
    sigset_t none;
    sigemptyset(&none);
    prctl(PR_SET_NAME, name);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    sink = serve(0); /* CALL */
    return NULL;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    if (strncmp(way, "worker", 6) == 0) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, NULL);
        pthread_t thread = start(worker, "victim", 0); /* CALL */
        pthread_join(thread, NULL); /* CALL */
    }
    sink = serve(0); /* CALL */
    return 0;
}
