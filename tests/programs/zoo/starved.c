// sources: zoo.h
/* Crashes where something that a report needs is not to be had. */
#include "zoo.h"
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sched.h>
#include <sys/socket.h>

int fail(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

static void limit(int resource, rlim_t value) {
    struct rlimit limit = {value, value};
    check(setrlimit(resource, &limit) == 0, "setrlimit");
}

static void become_nobody(void) {
    check(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0, "setuid");
}

/* Answers the system calls of the list by `answer`. */
static void forbid(const int *calls, unsigned answer) {
    struct sock_filter filter[64] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short length = 1;
    for (; *calls >= 0; calls++) {
        filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)*calls, 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {length, filter};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0,
          "seccomp");
}

#ifdef SYS_fork
static const int forks[] = {SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, -1};
static const int opens[] = {SYS_open, SYS_openat, SYS_openat2, SYS_creat, -1};
#else
/* Younger processors have only the calls that the others can be made of. */
static const int forks[] = {SYS_clone, SYS_clone3, -1};
static const int opens[] = {SYS_openat, SYS_openat2, -1};
#endif
static const int peeks[] = {SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, -1};
static const int maps[] = {SYS_mmap, SYS_mremap, SYS_brk, -1};

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    int ends[2];
    if (strcmp(way, "stderr-closed") == 0) {
        close(2);
    } else if (strcmp(way, "stderr-full") == 0 || strcmp(way, "stderr-full-nonblocking") == 0) {
        /* A pipe that is full and that nobody reads, though somebody could. */
        check(pipe(ends) == 0 && dup2(ends[1], 2) == 2, "pipe");
        check(fcntl(2, F_SETFL, O_NONBLOCK) == 0, "fcntl");
        static char page[4096];
        while (write(2, page, sizeof page) > 0)
            ;
        if (strcmp(way, "stderr-full") == 0)
            check(fcntl(2, F_SETFL, 0) == 0, "fcntl");
    } else if (strcmp(way, "stderr-broken") == 0) {
        check(pipe(ends) == 0 && dup2(ends[1], 2) == 2 && close(ends[0]) == 0 && close(ends[1]) == 0, "pipe");
    } else if (strcmp(way, "stderr-read-only") == 0) {
        int file = open("/dev/null", O_RDONLY);
        check(dup2(file, 2) == 2, "dup2");
    } else if (strcmp(way, "no-descriptors") == 0) {
        limit(RLIMIT_NOFILE, 0);
    } else if (strcmp(way, "no-processes") == 0) {
        limit(RLIMIT_NPROC, 0);
        become_nobody();
    } else if (strcmp(way, "no-memory") == 0) {
        limit(RLIMIT_AS, 4096);
    } else if (strcmp(way, "no-files") == 0) {
        limit(RLIMIT_FSIZE, 0);
    } else if (strcmp(way, "nobody") == 0) {
        /* Gave up its privileges as servers do: not dumpable any more, /proc/self belongs to root. */
        become_nobody();
    } else if (strcmp(way, "not-dumpable") == 0) {
        check(prctl(PR_SET_DUMPABLE, 0) == 0, "prctl");
    } else if (strcmp(way, "chroot") == 0) {
        char directory[] = "/tmp/zoo-root-XXXXXX";
        check(mkdtemp(directory) && chroot(directory) == 0 && chdir("/") == 0, "chroot");
    } else if (strcmp(way, "chroot-nobody") == 0) {
        char directory[] = "/tmp/zoo-root-XXXXXX";
        check(mkdtemp(directory) && chroot(directory) == 0 && chdir("/") == 0, "chroot");
        become_nobody();
    } else if (strcmp(way, "seccomp-fork") == 0) {
        forbid(forks, SECCOMP_RET_ERRNO | EPERM);
    } else if (strcmp(way, "seccomp-fork-trap") == 0) {
        forbid(forks, SECCOMP_RET_TRAP);
    } else if (strcmp(way, "seccomp-open") == 0) {
        forbid(opens, SECCOMP_RET_ERRNO | EACCES);
    } else if (strcmp(way, "seccomp-peek") == 0) {
        forbid(peeks, SECCOMP_RET_ERRNO | EPERM);
    } else if (strcmp(way, "seccomp-map") == 0) {
        forbid(maps, SECCOMP_RET_ERRNO | ENOMEM);
    } else if (strcmp(way, "seccomp-all") == 0) {
        forbid(forks, SECCOMP_RET_ERRNO | EPERM);
        forbid(peeks, SECCOMP_RET_ERRNO | EPERM);
        forbid(opens, SECCOMP_RET_ERRNO | EACCES);
    } else if (strcmp(way, "seccomp-all-trap") == 0) {
        forbid(forks, SECCOMP_RET_TRAP);
        forbid(peeks, SECCOMP_RET_TRAP);
        forbid(opens, SECCOMP_RET_TRAP);
    } else if (strcmp(way, "deleted") == 0) {
        check(unlink(arguments[0]) == 0, "unlink");
    } else if (strcmp(way, "replaced") == 0) {
        /* By an upgrade, say: another file has its name. */
        char name[4096];
        snprintf(name, sizeof name, "%s.new", arguments[0]);
        int file = open(name, O_WRONLY | O_CREAT, 0755);
        check(file >= 0 && write(file, "#!/bin/true\n", 12) == 12 && close(file) == 0, "new file");
        check(rename(name, arguments[0]) == 0, "rename");
    } else {
        check(0, "no such way");
    }
    sink = serve(0); /* CALL */
    return 0;
}
