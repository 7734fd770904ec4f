// Two threads more, and no other process can be made (RLIMIT_NPROC, pids.max; here a filter answers as these do): the report is
// written without their stacks, and says that they are missing.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *waits(void *nothing) { return pause(), nothing; }

__attribute__((noinline)) static int query(int *volatile row) { return *row; }

int main(int count, char **arguments) {
    pthread_t thread;
    for (int i = 1; i < count; i++) pthread_create(&thread, 0, waits, 0);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
    };
    struct sock_fprog program = {4, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
    return query(0);
}
