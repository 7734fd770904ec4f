/* break CALL TARGET [DISPOSITION]: writes to something that nobody reads, by CALL.

   TARGET: tcp, unix, pipe, fifo. DISPOSITION: what the program does about SIGPIPE first: nothing (-), default, ignore, exit (a
   handler that ends the process with status 33), count (a handler that returns), reset (SA_RESETHAND), raw (default, by
   the system call itself). Prints the result and, with count, how often the handler ran. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile sig_atomic_t runs;
static void count(int signum) {
    (void)signum;
    runs++;
    errno = 0;
}
static void leave(int signum) {
    (void)signum;
    _exit(33);
}

static int broken_tcp(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&address, &length);
    connect(client, (struct sockaddr *)&address, sizeof address);
    int server = accept(listener, NULL, NULL);
    shutdown(client, SHUT_WR);
    char byte;
    if (read(server, &byte, 1) != 0)
        abort();
    struct linger linger = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client);
    close(listener);
    return server;
}

static int target(const char *kind) {
    int ends[2];
    if (strcmp(kind, "tcp") == 0)
        return broken_tcp();
    if (strcmp(kind, "unix") == 0) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
        close(ends[1]);
        return ends[0];
    }
    if (strcmp(kind, "one-way") == 0) {
        socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
        shutdown(ends[1], SHUT_RD);
        fchmod(ends[1], S_IWUSR);
        shutdown(ends[0], SHUT_WR);
        close(ends[0]);
        return ends[1];
    }
    if (strcmp(kind, "fifo") == 0) {
        char path[] = "/tmp/nosigpipe-fifo-XXXXXX";
        close(mkstemp(path));
        unlink(path);
        mkfifo(path, 0600);
        ends[0] = open(path, O_RDONLY | O_NONBLOCK);
        ends[1] = open(path, O_WRONLY);
        unlink(path);
    } else if (pipe(ends) < 0)
        abort();
    close(ends[0]);
    return ends[1];
}

static long attempt(const char *call, int fd) {
    struct iovec iov = {"x", 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct mmsghdr messages = {.msg_hdr = message};
#define CALL(name, expression) \
    if (strcmp(call, name) == 0) \
    return (expression)
    CALL("write", write(fd, "x", 1));
    CALL("writev", writev(fd, &iov, 1));
    CALL("pwritev2", pwritev2(fd, &iov, 1, -1, 0));
    CALL("send", send(fd, "x", 1, 0));
    CALL("sendto", sendto(fd, "x", 1, 0, NULL, 0));
    CALL("sendmsg", sendmsg(fd, &message, 0));
    CALL("sendmmsg", sendmmsg(fd, &messages, 1, 0));
    CALL("raw-write", syscall(SYS_write, fd, "x", 1L));
    CALL("raw-sendto", syscall(SYS_sendto, fd, "x", 1L, 0, NULL, 0));
    CALL("dprintf", dprintf(fd, "x"));
    if (strcmp(call, "asm-operand") == 0) {
        /* What stands before the instruction looks like another call's number, and is the fifth argument. */
        long result;
        __asm__ volatile("mov $0x100, %%r8d; syscall" : "=a"(result) : "a"(SYS_write), "D"((long)fd), "S"("x"), "d"(1L) : "rcx", "r8", "r11", "memory");
        if (result < 0)
            errno = (int)-result;
        return result < 0 ? -1 : result;
    }
    if (strncmp(call, "asm-", 4) == 0) {
        /* The number comes from a register, as in Go's and newer glibc's system calls. */
        long result;
        register long number __asm__("r15") = SYS_write;
        __asm__ volatile("mov %1, %%rax; syscall" : "=&a"(result) : "r"(number), "D"((long)fd), "S"("x"), "d"(1L) : "rcx", "r11", "memory");
        if (result < 0)
            errno = (int)-result;
        return result < 0 ? -1 : result;
    }
    if (strcmp(call, "stdio") == 0) {
        FILE *file = fdopen(fd, "w");
        fputs("x", file);
        return fflush(file);
    }
    if (strcmp(call, "sendfile") == 0) {
        int file = open("/proc/self/exe", O_RDONLY);
        return sendfile(fd, file, NULL, 100);
    }
    if (strcmp(call, "splice") == 0 || strcmp(call, "raw-splice") == 0) {
        int ends[2];
        if (pipe(ends) < 0 || write(ends[1], "x", 1) != 1)
            abort();
        return call[0] == 's' ? splice(ends[0], NULL, fd, NULL, 1, 0) : syscall(SYS_splice, ends[0], NULL, fd, NULL, 1L, 0);
    }
    if (strcmp(call, "tee") == 0) {
        int ends[2];
        if (pipe(ends) < 0 || write(ends[1], "x", 1) != 1)
            abort();
        return tee(ends[0], fd, 1, 0);
    }
    CALL("vmsplice", vmsplice(fd, &iov, 1, 0));
    CALL("raise", raise(SIGPIPE));
    CALL("kill", kill(getpid(), SIGPIPE));
    CALL("pthread_kill", pthread_kill(pthread_self(), SIGPIPE));
    CALL("sigqueue", sigqueue(getpid(), SIGPIPE, (union sigval){0}));
    fprintf(stderr, "break: no call %s\n", call);
    exit(2);
}

int main(int argc, char **argv) {
    const char *disposition = argc > 3 ? argv[3] : "-";
    struct sigaction action;
    memset(&action, 0, sizeof action);
    if (strcmp(disposition, "default") == 0)
        signal(SIGPIPE, SIG_DFL);
    else if (strcmp(disposition, "ignore") == 0)
        signal(SIGPIPE, SIG_IGN);
    else if (strcmp(disposition, "exit") == 0)
        signal(SIGPIPE, leave);
    else if (strcmp(disposition, "count") == 0) {
        action.sa_handler = count;
        sigaction(SIGPIPE, &action, NULL);
    } else if (strcmp(disposition, "reset") == 0) {
        action.sa_handler = count;
        action.sa_flags = SA_RESETHAND;
        sigaction(SIGPIPE, &action, NULL);
    } else if (strcmp(disposition, "raw") == 0) {
        struct {
            void *handler;
            unsigned long flags;
            void *restorer;
            unsigned long mask;
        } raw = {SIG_DFL, 0, NULL, 0};
        syscall(SYS_rt_sigaction, SIGPIPE, &raw, NULL, 8);
    }
    int fd = target(argv[2]);
    for (int round = 0; round < 2; round++) {
        errno = 0;
        long result = attempt(argv[1], fd);
        int error = errno;
        printf("%ld %s handler ran %d\n", result, error ? strerrorname_np(error) : "-", (int)runs);
        if (strcmp(argv[1], "stdio") == 0)
            break;
    }
    return 0;
}
