// sources: zoo.h
/* Makes a system call that its seccomp filter traps. */
#include "zoo.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

int fail(int depth) {
    sink = syscall(SYS_getppid); /* CRASH */
    return depth;
}

int main(void) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
          "seccomp");
    sink = serve(0); /* CALL */
    return 0;
}
