// A sandbox does not let the program send signals (EPERM). Each fault ends it by its signal all the same.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments) {
    const char *how = arguments[1];
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tkill, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_kill, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_tgsigqueueinfo, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mincore, 2, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {9, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
    if (!strcmp(how, "segv")) *(volatile int *)0 = 1;
    if (!strcmp(how, "bus")) {
        char name[] = "empty.XXXXXX";
        volatile char *page = mmap(0, 4096, PROT_READ, MAP_SHARED, mkstemp(name), 0);
        (void)*page;
    }
    if (!strcmp(how, "ill")) __asm__ volatile("ud2");
    if (!strcmp(how, "fpe")) __asm__ volatile("xor %%ecx, %%ecx\n xor %%edx, %%edx\n div %%ecx" ::: "eax", "ecx", "edx");
    if (!strcmp(how, "trap")) __asm__ volatile(".byte 0xcd, 3"); // int 3, the long form of int3
    if (!strcmp(how, "sys")) syscall(SYS_mincore, 0, 0, 0);
    puts("goes on");
    return 0;
}
