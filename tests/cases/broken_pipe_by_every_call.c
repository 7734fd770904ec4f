// A pipe without a reader ends who writes to it, by whatever call, as long as nobody ignores that.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int out, full[2], file;
static struct iovec vector = {"x", 1};

static void by_write(void) { write(out, "x", 1); }
static void by_writev(void) { writev(out, &vector, 1); }
static void by_vmsplice(void) { vmsplice(out, &vector, 1, 0); }
static void by_tee(void) { tee(full[0], out, 1, 0); }
static void by_splice(void) { splice(full[0], 0, out, 0, 1, 0); }
static void by_splice_of_file(void) { loff_t at = 0; splice(file, &at, out, 0, 1, 0); }
static void by_sendfile(void) { off_t at = 0; sendfile(out, file, &at, 1); }
static void by_syscall_write(void) { syscall(SYS_write, out, "x", 1); }
static void by_syscall_writev(void) { syscall(SYS_writev, out, &vector, 1); }
static void by_syscall_vmsplice(void) { syscall(SYS_vmsplice, out, &vector, 1, 0); }
static void by_syscall_tee(void) { syscall(SYS_tee, full[0], out, 1, 0); }
static void by_syscall_splice(void) { syscall(SYS_splice, full[0], 0, out, 0, 1, 0); }
static void by_syscall_splice_of_file(void) { loff_t at = 0; syscall(SYS_splice, file, &at, out, 0, 1L, 0L); }
static void by_syscall_sendfile(void) { off_t at = 0; syscall(SYS_sendfile, out, file, &at, 1); }
static void by_stdio(void) { FILE *stream = fdopen(out, "w"); fputs("x", stream); fflush(stream); }
static void as_standard_output(void) { dup2(out, 1); write(1, "x", 1); }
static void by_half(void) { // the first half goes in, then the reader goes
    int ends[2];
    pipe(ends);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    if (!fork()) {
        close(ends[1]);
        char byte;
        read(ends[0], &byte, 1);
        usleep(50000);
        _exit(0);
    }
    close(ends[0]);
    static char much[100000];
    write(ends[1], much, sizeof much);
}
static void by_fifo(void) {
    char name[] = "fifo";
    unlink(name);
    mkfifo(name, 0600);
    int reader = open(name, O_RDONLY | O_NONBLOCK), writer = open(name, O_WRONLY);
    unlink(name);
    close(reader);
    write(writer, "x", 1);
}

int main(void) {
    struct { const char *name; void (*act)(void); } ways[] = {
        {"write", by_write}, {"writev", by_writev}, {"vmsplice", by_vmsplice}, {"tee", by_tee}, {"splice", by_splice},
        {"splice of a file", by_splice_of_file}, {"sendfile", by_sendfile}, {"syscall write", by_syscall_write},
        {"syscall writev", by_syscall_writev}, {"syscall vmsplice", by_syscall_vmsplice}, {"syscall tee", by_syscall_tee},
        {"syscall splice", by_syscall_splice}, {"syscall splice of a file", by_syscall_splice_of_file},
        {"syscall sendfile", by_syscall_sendfile}, {"stdio", by_stdio}, {"standard output", as_standard_output},
        {"half", by_half}, {"fifo", by_fifo},
    };
    int ends[2];
    pipe(ends);
    close(ends[0]);
    out = ends[1];
    pipe(full);
    write(full[1], "xyz", 3);
    file = open("/proc/self/exe", O_RDONLY);
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (!child) {
            alarm(5);
            ways[i].act();
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        printf("%s: %s\n", ways[i].name, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "survived");
    }
    return 0;
}
