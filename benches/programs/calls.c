// One call of libc, COUNT times: `calls CALL COUNT`. Exits with 2 when the call fails.
//
// What a call needs around it (peers, drained buffers, closed descriptors) is done by raw system calls, inlined, so that
// no hook of any preload sees it: the difference between two counts is the call, and that between two preloads its hook.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static inline long raw(long number, long a, long b, long c, long d) {
#ifdef __aarch64__
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
#endif
}

static int file, pair[2], listener;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length;
static char buffer[64];
static struct iovec vector = {.iov_base = buffer, .iov_len = 1};
static struct mmsghdr messages[1] = {{.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}}};

static void set_up(void) {
    file = raw(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_RDONLY, 0);
    raw(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (long)pair);
    listener = raw(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0);
    // Of the length of the family alone: the kernel finds a free abstract name.
    raw(SYS_bind, listener, (long)&address, sizeof address.sun_family, 0);
    address_length = sizeof address;
    raw(SYS_getsockname, listener, (long)&address, (long)&address_length, 0);
    raw(SYS_listen, listener, 8, 0, 0);
}

static long drained(long result) {
    raw(SYS_read, pair[1], (long)buffer, 1, 0);
    return result;
}

static long closed(long fd) {
    if (fd >= 0) raw(SYS_close, fd, 0, 0, 0);
    return fd;
}

static void come(void) {
    int client = raw(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0);
    raw(SYS_connect, client, (long)&address, address_length, 0);
    raw(SYS_close, client, 0, 0, 0);
}

static long a_send(void) { return drained(send(pair[0], buffer, 1, 0)); }
static long a_sendto(void) { return drained(sendto(pair[0], buffer, 1, 0, NULL, 0)); }
static long a_sendmsg(void) { return drained(sendmsg(pair[0], &messages->msg_hdr, 0)); }
static long a_sendmmsg(void) { return drained(sendmmsg(pair[0], messages, 1, 0)); }
static long a_write(void) { return drained(write(pair[0], buffer, 1)); }
static long a_writev(void) { return drained(writev(pair[0], &vector, 1)); }
static long a_sendfile(void) { return drained(sendfile(pair[0], file, &(off_t){0}, 1)); }
static long a_read(void) { return raw(SYS_write, pair[1], (long)buffer, 1, 0), read(pair[0], buffer, 1); }
static long a_close(void) { return close(raw(SYS_dup, file, 0, 0, 0)); }
static long a_accept(void) { return come(), closed(accept(listener, NULL, NULL)); }
static long an_accept4(void) { return come(), closed(accept4(listener, NULL, NULL, SOCK_CLOEXEC)); }
static long a_socket(void) { return closed(socket(AF_INET, SOCK_STREAM, 0)); }

static long a_socketpair(void) {
    int ends[2];
    long result = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    if (!result) closed(ends[0]), closed(ends[1]);
    return result;
}

// libcurl around each of its calls: look, ignore, put back (lib/sigpipe.h).
static long sigaction_as_libcurl(void) {
    struct sigaction before, ignore;
    if (sigaction(SIGPIPE, NULL, &before)) return -1;
    ignore = before;
    ignore.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &ignore, NULL) | sigaction(SIGPIPE, &before, NULL);
}

static void handle(int number) { (void)number; }
static long a_signal(void) { return signal(SIGUSR1, handle) == SIG_ERR ? -1 : 0; }

static void *nothing(void *argument) { return argument; }
static long a_thread(void) {
    pthread_t thread;
    return -(pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL));
}

static const struct {
    const char *name;
    long (*call)(void);
} calls[] = {
    {"send", a_send},
    {"sendto", a_sendto},
    {"sendmsg", a_sendmsg},
    {"sendmmsg", a_sendmmsg},
    {"accept", a_accept},
    {"accept4", an_accept4},
    {"socket", a_socket},
    {"socketpair", a_socketpair},
    {"write", a_write},
    {"writev", a_writev},
    {"sendfile", a_sendfile},
    {"read", a_read},
    {"close", a_close},
    {"sigaction", sigaction_as_libcurl},
    {"signal", a_signal},
    {"pthread_create", a_thread},
};

int main(int argc, char **argv) {
    long (*call)(void) = NULL;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (argc == 3 && !strcmp(argv[1], calls[i].name)) call = calls[i].call;
    if (!call) return 1;
    set_up();
    for (int count = atoi(argv[2]); count > 0; count--)
        if (call() < 0) return 2;
    return 0;
}
