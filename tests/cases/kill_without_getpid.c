// A sandbox kills for system calls that kill(2) and killpg(3) do not make: getpid and getpgid. Sending signals goes on working.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    setpgid(0, 0); // so that nobody else is in the group
    pid_t group = getpgrp(), child = fork();
    if (!child) for (;;) pause();
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {5, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
    if (kill(child, 0) || kill(-group, 0) || killpg(group, 0) || kill(child, SIGTERM)) return 1;
    int status;
    waitpid(child, &status, 0);
    printf("the child ended by signal %d\n", WTERMSIG(status));
    signal(SIGPIPE, SIG_IGN);
    // Whoever sends SIGPIPE to a group where the library has its handler in place must not be killed for it either.
    if (kill(-group, SIGPIPE) || killpg(group, SIGPIPE)) return 2;
    puts("groups have their signals");
    return 0;
}
