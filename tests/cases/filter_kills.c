// A program forbids itself system calls by a seccomp filter that ends it for them, or is started under one (as systemd's SystemCallFilter= does it),
// and crashes. Whatever a report would call: the end is that of the crash, never the filter's.
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST(...) ((const int[]){__VA_ARGS__, -1})

// What chronyd does: some calls are allowed with some arguments only.
static int install_by_arguments(void) {
    enum { NUMBER = offsetof(struct seccomp_data, nr), SECOND = offsetof(struct seccomp_data, args[1]) };
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NUMBER),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fcntl, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SECOND),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 3 /* F_GETFL */, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int install(const int *calls, int is_allowed, unsigned action) {
    struct sock_filter filter[128];
    int count = 0;
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; calls[i] >= 0; i++) {
        filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
        filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, is_allowed ? SECCOMP_RET_ALLOW : action);
    }
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, is_allowed ? action : SECCOMP_RET_ALLOW);
    struct sock_fprog program = {count, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

// The same as libseccomp does it.
static int install_by_syscall(const int *calls) {
    struct sock_filter filter[128];
    int count = 0;
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xc000003e, 1, 0);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x40000000, 0, 1);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    for (int i = 0; calls[i] >= 0; i++) {
        filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, calls[i], 0, 2);
        filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, calls[i], 1, 0);
        filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {count, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

__attribute__((noinline)) static int query(int *volatile row) { return *row; }

static int crash(const char *how) {
    if (!strcmp(how, "start")) return 0;
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "raise")) raise(SIGSEGV);
    if (!strcmp(how, "trap")) __builtin_trap();
    return query(0);
}

int main(int count, char **arguments) {
    const char *what = arguments[1], *how = arguments[2];
    if (!strcmp(what, "inherited")) {
        // The filter is there before the library is.
        if (!getenv("FILTERED")) {
            const int *calls = !strcmp(how, "ptrace") ? LIST(SYS_ptrace)
                : !strcmp(how, "memory")             ? LIST(SYS_process_vm_readv, SYS_kcmp, SYS_ptrace)
                : !strcmp(how, "most")               ? LIST(SYS_timer_create, SYS_process_vm_readv, SYS_kcmp, SYS_ptrace, SYS_sched_setscheduler,
                                            SYS_madvise, SYS_rt_tgsigqueueinfo, SYS_rt_sigpending, SYS_poll, SYS_pipe2)
                                                     : LIST(SYS_timer_create, SYS_timer_settime);
            // What loader and libc call, and what docs/crash-reports.md says that the library does.
            const int *needed = LIST(SYS_execve, SYS_brk, SYS_access, SYS_openat, SYS_read, SYS_pread64, SYS_newfstatat, SYS_mmap, SYS_mprotect,
                                     SYS_munmap, SYS_close, SYS_arch_prctl, SYS_set_tid_address, SYS_set_robust_list, 334 /* rseq */, SYS_prlimit64,
                                     SYS_getrandom, SYS_exit_group, SYS_prctl, SYS_getpid, SYS_fstat, SYS_fcntl, SYS_readlink, SYS_rt_sigaction,
                                     SYS_clock_gettime, SYS_sigaltstack);
            setenv("FILTERED", "1", 1);
            int starts = !strcmp(how, "start");
            if (install(starts ? needed : calls, starts, SECCOMP_RET_KILL_PROCESS)) return 77;
            execv("/proc/self/exe", arguments);
        }
        return crash(how);
    }
    int bad = !strcmp(what, "clone") ? install(LIST(SYS_clone, SYS_clone3, SYS_fork, SYS_vfork), 0, SECCOMP_RET_KILL_PROCESS)
        : !strcmp(what, "read")      ? install_by_syscall(LIST(SYS_process_vm_readv, SYS_ptrace))
        : !strcmp(what, "timers")    ? install_by_syscall(LIST(SYS_timer_create, SYS_timer_settime, SYS_timer_delete))
        : !strcmp(what, "open")      ? install(LIST(SYS_open, SYS_openat), 0, SECCOMP_RET_KILL)
        : !strcmp(what, "clock")     ? install(LIST(SYS_clock_gettime, SYS_poll), 0, SECCOMP_RET_KILL)
        : !strcmp(what, "signals")   ? install(LIST(SYS_rt_tgsigqueueinfo, SYS_rt_sigpending, SYS_rt_sigprocmask), 0, SECCOMP_RET_KILL)
        : !strcmp(what, "server")    ? install(LIST(SYS_read, SYS_write, SYS_close, SYS_fstat, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_brk, SYS_futex,
                                         SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill, SYS_exit_group), 1, SECCOMP_RET_KILL)
        : !strcmp(what, "little")    ? install(LIST(SYS_read, SYS_write, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_tgkill,
                                         SYS_getpid, SYS_gettid), 1, SECCOMP_RET_KILL_PROCESS)
        : !strcmp(what, "arguments") ? install_by_arguments()
        : !strcmp(what, "tid")       ? install(LIST(SYS_gettid), 0, SECCOMP_RET_KILL)
        : !strcmp(what, "told")      ? install(LIST(SYS_read, SYS_write, SYS_exit_group, SYS_rt_sigreturn, SYS_fstat, SYS_fcntl), 1, SECCOMP_RET_KILL_PROCESS)
        : !strcmp(what, "asked")     ? install(LIST(SYS_ptrace, SYS_process_vm_readv), 0, SECCOMP_RET_USER_NOTIF)
                                     : prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    if (bad) return 77;
    return crash(how);
}
