// A program that goes on after its reports, whose copies were ended before they were done: here by a filter, for opening a file in a way
// in which only a copy does. None of the processes that were made for the reports is left. With an argument, the program's file is first
// put into a folder with a name of 600 bytes, and the addresses that such reports have are told with its name all the same.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;

static void handler(int signal) { siglongjmp(back, signal); }

__attribute__((noinline)) static int query(int *volatile row) { return *row; }
__attribute__((noinline)) static int update(int *volatile row) { return *row = 1; }

static int go_on_elsewhere(void) {
    char path[1024] = "", part[201] = "";
    memset(part, 'x', 200);
    for (int depth = 0; depth < 3; depth++) {
        strcat(path, part);
        if (mkdir(path, 0700)) return 77;
        strcat(path, "/");
    }
    strcat(path, "server");
    char own[256] = "";
    if (readlink("/proc/self/exe", own, sizeof own - 1) < 0 || link(own, path)) return 77;
    return execl(path, path, (char *)0);
}

int main(int count, char **arguments) {
    if (count > 1) return go_on_elsewhere();
    (void)arguments;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {6, filter};
    signal(SIGSEGV, handler);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
    if (!sigsetjmp(back, 1)) query(0);
    if (!sigsetjmp(back, 1)) update(0);
    int found = waitpid(-1, 0, WNOHANG | __WALL);
    puts(found < 0 && errno == ECHILD ? "no children" : "a child");
}
