// After a filter that kills for what fork, spawn and thread exit do not need: getpid, gettid, clock_gettime, sigaltstack. Children by fork, vfork and
// posix_spawn work, and so do threads that were there before.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static pthread_barrier_t filtered;

static void *worker(void *unused) {
    pthread_barrier_wait(&filtered);
    return 0;
}

static void tell(const char *what, pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    printf("%s %x\n", what, status);
    fflush(stdout);
}

int main(int count, char **arguments) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sigaltstack, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {7, filter};
    pthread_barrier_init(&filtered, 0, 2);
    pthread_t thread;
    pthread_create(&thread, 0, worker, 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program)) return 77;
    pthread_barrier_wait(&filtered);
    pthread_join(thread, 0);
    pid_t child = fork();
    if (!child) {
        signal(SIGPIPE, SIG_IGN);
        pthread_create(&thread, 0, worker, 0);
        pthread_barrier_wait(&filtered);
        pthread_join(thread, 0);
        _exit(3);
    }
    tell("fork", child);
    if (!(child = vfork())) _exit(4);
    tell("vfork", child);
    char *nowhere[] = {"nowhere", 0};
    printf("spawn %d\n", posix_spawn(&child, "/nonexistent", 0, 0, nowhere, environ));
    fflush(stdout);
    return 0;
}
