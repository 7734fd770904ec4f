// The first process of a container ends by what its own instructions raise, a forbidden system call included, and not by what others,
// or it itself, sends it.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments) {
    const char *how = arguments[1];
    raise(SIGSEGV);
    kill(getpid(), SIGABRT);
    printf("process %d\n", getpid());
    fflush(stdout);
    if (!strcmp(how, "segv")) *(volatile int *)0 = 1;
    if (!strcmp(how, "ill")) __asm__ volatile("ud2");
    if (!strcmp(how, "fpe")) __asm__ volatile("xor %%ecx, %%ecx\n xor %%edx, %%edx\n div %%ecx" ::: "eax", "ecx", "edx");
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "sys")) {
        struct sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mincore, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {4, filter};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
        syscall(SYS_mincore, 0, 0, 0);
    }
    puts("goes on");
    return 0;
}
