// A program has sent itself a SIGPIPE while that was blocked. Where it is taken or discarded before it could come, a socket that breaks
// afterwards kills nobody; where it is still pending, it comes and kills.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static sigset_t only_sigpipe;

static void block(void) { sigprocmask(SIG_BLOCK, &only_sigpipe, 0); }
static void unblock(void) { sigprocmask(SIG_UNBLOCK, &only_sigpipe, 0); }
static void send_itself(void) {
    if (kill(getpid(), SIGPIPE)) _exit(1);
}
static void break_a_socket(void) {
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    close(ends[1]);
    if (write(ends[0], "x", 1) != -1 || errno != EPIPE) _exit(2);
    close(ends[0]);
}
static void take_by_sigwait(void) {
    int signal = 0;
    if (sigwait(&only_sigpipe, &signal) || signal != SIGPIPE) _exit(3);
}

// These take or discard it.
static void by_sigwait(void) {
    send_itself();
    take_by_sigwait();
}
static void by_sigwaitinfo(void) {
    send_itself();
    siginfo_t info;
    if (sigwaitinfo(&only_sigpipe, &info) != SIGPIPE || info.si_code != SI_USER || info.si_pid != getpid()) _exit(4);
}
static void by_sigtimedwait(void) {
    send_itself();
    if (sigtimedwait(&only_sigpipe, 0, &(struct timespec){0}) != SIGPIPE) _exit(5);
    errno = 0;
    if (sigtimedwait(&only_sigpipe, 0, &(struct timespec){0}) != -1 || errno != EAGAIN) _exit(6);
}
static void *wait_for_it(void *unused) {
    take_by_sigwait();
    return 0;
}
static void by_another_thread(void) {
    pthread_t thread;
    pthread_create(&thread, 0, wait_for_it, 0);
    send_itself();
    pthread_join(thread, 0);
}
static void by_ignoring(void) {
    send_itself();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGPIPE, SIG_DFL);
}

// These leave it pending.
static void beside_a_sockets(void) {
    break_a_socket();
    send_itself();
    take_by_sigwait(); // the thread's own signal comes first, which is the socket's
}
static void before_a_kill_that_fails(void) {
    struct sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(7);
    send_itself();
    if (kill(-0x7ffffff0, SIGPIPE) != -1 || errno != ESRCH) _exit(8);
}
static int child_with_our_memory(void *unused) {
    break_a_socket();
    unblock();
    return 0;
}
static void before_a_childs_own(void) {
    send_itself();
    char *stack = malloc(1 << 16);
    pid_t child = clone(child_with_our_memory, stack + (1 << 16), CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
    waitpid(child, 0, 0);
}

// In scope process, the guard handler is there while system(3) runs, and SIG_IGN again afterwards, which discards the signal.
static void on_user_signal(int unused) { send_itself(); }
static int while_starting(void) {
    signal(SIGUSR1, on_user_signal);
    block();
    if (system("kill -USR1 $PPID")) return 9;
    signal(SIGPIPE, SIG_DFL);
    break_a_socket();
    unblock();
    return 0;
}

int main(int count, char **arguments) {
    struct { const char *name; void (*act)(void); int is_taken; } ways[] = {
        {"sigwait", by_sigwait, 1}, {"sigwaitinfo", by_sigwaitinfo, 1}, {"sigtimedwait", by_sigtimedwait, 1},
        {"another thread", by_another_thread, 1}, {"ignored", by_ignoring, 1}, {"beside a socket's", beside_a_sockets, 0},
        {"before a kill that fails", before_a_kill_that_fails, 0}, {"before a child's own", before_a_childs_own, 0},
    };
    sigemptyset(&only_sigpipe);
    sigaddset(&only_sigpipe, SIGPIPE);
    if (count > 1) return while_starting();
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        pid_t child = fork();
        if (!child) {
            alarm(5);
            block();
            ways[i].act();
            if (ways[i].is_taken) break_a_socket();
            unblock();
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) printf("%s: %s\n", ways[i].name, strsignal(WTERMSIG(status)));
        else printf("%s: exit %d\n", ways[i].name, WEXITSTATUS(status));
    }
    return 0;
}
