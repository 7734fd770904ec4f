"""The process can't be copied, and standard error's reader has stopped reading: while the crashed thread waits to write the report's first
lines, another thread of the program sends it the same signal. What there is of the report is written, and the end is that of the crash."""
import os
import subprocess
import sys

LIBRARY = os.environ["LIBRARY"]
SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int crashes;

static void *send(void *crashing) {
    char name[64], stat[256] = "";
    snprintf(name, sizeof name, "/proc/self/task/%ld/stat", (long)crashing);
    // Until it waits for standard error, which is the first thing that it waits for.
    while (!crashes || !strstr(stat, ") S ")) {
        int file = open(name, O_RDONLY);
        stat[read(file, stat, sizeof stat - 1)] = 0;
        close(file);
    }
    syscall(SYS_tgkill, getpid(), crashing, SIGSEGV);
    write(1, "sent\n", 5);
    for (;;) pause();
}

__attribute__((noinline)) static int query(volatile int *row) { crashes = 1; return *row; }

int main(void) {
    char full[4096] = "";
    fcntl(2, F_SETPIPE_SZ, sizeof full);
    write(2, full, sizeof full);
    pthread_t thread;
    pthread_create(&thread, 0, send, (void *)syscall(SYS_gettid));
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
    };
    struct sock_fprog program = {5, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
    return query((int *)0x40);
}
"""


def main():
    subprocess.run(["gcc", "-O0", "-w", "-x", "c", "-o", "server", "-", "-pthread"], input=SOURCE.encode(), check=True)
    server = subprocess.Popen(["./server"], env=dict(os.environ, LD_PRELOAD=LIBRARY), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    print("server:", server.stdout.readline().decode().strip())
    text = server.stderr.read().replace(b"\0", b"").decode()
    print("ended with", server.wait())
    sys.stderr.write(text)
    return 0


sys.exit(main())
