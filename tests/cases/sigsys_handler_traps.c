// The same for each system call that a report makes, or may make; one is forbidden at a time. And what
// another thread, or the process as long as nothing has crashed, is forbidden goes to the program's handler as ever.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static int own; // a call that the program makes itself, and whose handler answers 4711

static void on_forbidden_call(int number, siginfo_t *info, void *context) {
    if (info->si_syscall == own) {
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 4711;
        return;
    }
    write(2, "a forbidden system call\n", 24);
    _exit(1);
}

__attribute__((noinline)) static int query(int *volatile row) { return *row; }

static void *asks(void *nothing) {
    for (;;)
        if (syscall(own) != 4711) _exit(2);
}

static void crash(int forbidden) {
    struct sigaction action = {.sa_sigaction = on_forbidden_call, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, 0);
    own = SYS_getpgrp;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forbidden, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, own, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = {5, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(77);
    if (syscall(own) != 4711) _exit(3);
    pthread_t thread;
    int needed[] = {SYS_clone, SYS_clone3, SYS_mmap, SYS_mprotect, SYS_rt_sigprocmask, SYS_rt_sigaction}, is_needed = 0;
    for (int i = 0; i < 6; i++) is_needed |= forbidden == needed[i];
    if (!is_needed) pthread_create(&thread, 0, asks, 0);
    query(0);
}

int main(void) {
    static const int calls[] = {
        SYS_clone, SYS_ptrace, SYS_process_vm_readv, SYS_mmap, SYS_mprotect, SYS_madvise,
        SYS_open, SYS_openat, SYS_read, SYS_readlink, SYS_poll, SYS_futex, SYS_prctl,
        SYS_clock_gettime, SYS_getpid, SYS_gettid, SYS_geteuid, SYS_timer_create, SYS_timer_settime,
        SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigpending, SYS_rt_tgsigqueueinfo, SYS_tgkill, SYS_wait4, 
        SYS_sigaltstack, SYS_prlimit64, SYS_getdents64, 
    };
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    int right = 0, count = sizeof calls / sizeof *calls;
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (!child) {
            crash(calls[i]);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) right++;
        else printf("call %d: status %x\n", calls[i], status);
    }
    printf("%d crashes\n", count - right ? right : count);
    fprintf(stderr, "all crashed: %d\n", right == count);
    return 0;
}
