// flags: -Wno-nonnull -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread
/* Prints result, errno and effect of every hooked socket call over good, bad and edge arguments. The output must be the
   same with and without the library. SIGPIPE is ignored, so that a bare run survives. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *error(long result) { return result >= 0 ? "-" : strerrorname_np(errno); }

#define SHOW(what, call) \
    do { \
        errno = 4711; \
        long shown_result = (call); \
        printf("%-60s %ld %s%s\n", what, shown_result, error(shown_result), \
               shown_result >= 0 && errno != 4711 ? " and errno changed" : ""); \
    } while (0)

/* A call that faults in user space must fault with the library, too. */
#define FAULTS(what, call) \
    do { \
        fflush(stdout); \
        pid_t child = fork(); \
        if (child == 0) { \
            signal(SIGSEGV, SIG_DFL); \
            volatile long r = (call); \
            _exit(r < 0 ? errno : 0); \
        } \
        int status; \
        waitpid(child, &status, 0); \
        printf("%-60s status %d\n", what, status); \
    } while (0)

static void received(const char *what, int fd) {
    char data[256] = "";
    char control[256];
    struct iovec iov = {data, sizeof data};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT);
    printf("%-60s %zd %s '%.*s' flags %x control %zu\n", what, n, error(n), n > 0 ? (int)n : 0, data,
           n >= 0 ? message.msg_flags : 0, n >= 0 ? message.msg_controllen : 0);
}

static void senders(const char *kind, int fd, int peer) {
    char what[100];
    char data[16] = "0123456789abcdef";
    struct iovec iov[2] = {{data, 4}, {data + 8, 3}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    struct mmsghdr messages[3] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = message}};
    int flags[] = {0, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, MSG_MORE, MSG_EOR, MSG_CONFIRM, MSG_DONTROUTE, MSG_ZEROCOPY, 0x7fffffff, -1};
    for (unsigned f = 0; f < sizeof flags / sizeof *flags; f++) {
        snprintf(what, sizeof what, "%s: send flags %x", kind, flags[f]);
        SHOW(what, send(fd, data, 5, flags[f]));
        received("   arrived", peer);
        snprintf(what, sizeof what, "%s: sendto flags %x", kind, flags[f]);
        SHOW(what, sendto(fd, data, 5, flags[f], NULL, 0));
        received("   arrived", peer);
        snprintf(what, sizeof what, "%s: sendmsg flags %x", kind, flags[f]);
        SHOW(what, sendmsg(fd, &message, flags[f]));
        received("   arrived", peer);
        snprintf(what, sizeof what, "%s: sendmmsg flags %x", kind, flags[f]);
        SHOW(what, sendmmsg(fd, messages, 3, flags[f]));
        printf("   lengths %u %u %u\n", messages[0].msg_len, messages[1].msg_len, messages[2].msg_len);
        while (recv(peer, what, sizeof what, MSG_DONTWAIT) > 0)
            ;
    }
#define EACH(name, call) \
    snprintf(what, sizeof what, "%s: %s", kind, name); \
    SHOW(what, call); \
    received("   arrived", peer)
    EACH("send zero length", send(fd, data, 0, 0));
    EACH("send NULL zero length", send(fd, NULL, 0, 0));
    EACH("send NULL", send(fd, NULL, 5, 0));
    EACH("send bad pointer", send(fd, (void *)8, 5, 0));
    EACH("sendto bad address", sendto(fd, data, 5, 0, (struct sockaddr *)8, 16));
    EACH("sendto address of length 0", sendto(fd, data, 5, 0, (struct sockaddr *)data, 0));
    EACH("sendto address too long", sendto(fd, data, 5, 0, (struct sockaddr *)data, 100000));
    EACH("sendmsg NULL", sendmsg(fd, NULL, 0));
    EACH("sendmsg bad pointer", sendmsg(fd, (void *)8, 0));
    EACH("sendmmsg NULL", sendmmsg(fd, NULL, 1, 0));
    EACH("sendmmsg none", sendmmsg(fd, messages, 0, 0));
    struct msghdr empty = {0};
    EACH("sendmsg empty", sendmsg(fd, &empty, 0));
    struct msghdr many = {.msg_iov = iov, .msg_iovlen = 5000};
    EACH("sendmsg too many", sendmsg(fd, &many, 0));
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr header;
    } control = {0};
    struct msghdr with_control = {.msg_iov = iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&with_control);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(2 * sizeof(int))};
    memcpy(CMSG_DATA(header), (int[2]){0, 1}, 2 * sizeof(int));
    EACH("sendmsg with descriptors", sendmsg(fd, &with_control, 0));
    memcpy(CMSG_DATA(header), (int[2]){0, 999}, 2 * sizeof(int));
    EACH("sendmsg with a bad descriptor", sendmsg(fd, &with_control, 0));
    header->cmsg_level = 12345;
    EACH("sendmsg with unknown control", sendmsg(fd, &with_control, 0));
}

static void full(const char *kind, int fd) {
    static char block[65536];
    char what[100];
    fcntl(fd, F_SETFL, O_NONBLOCK);
    long total = 0, n;
    while ((n = send(fd, block, sizeof block, 0)) > 0)
        total += n;
    snprintf(what, sizeof what, "%s: send when full (some sent: %d)", kind, total > 0);
    SHOW(what, send(fd, block, sizeof block, 0));
    SHOW("   sendmsg", sendmsg(fd, &(struct msghdr){.msg_iov = &(struct iovec){block, sizeof block}, .msg_iovlen = 1}, 0));
}

static void broken(const char *kind, int type) {
    char what[100];
    for (int how = 0; how < 3; how++) {
        int pair[2];
        if (socketpair(AF_UNIX, type, 0, pair) < 0)
            return;
        if (how == 0)
            close(pair[1]);
        else if (how == 1)
            shutdown(pair[0], SHUT_WR);
        else
            shutdown(pair[1], SHUT_RD);
        struct msghdr message = {.msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1};
        struct mmsghdr messages[2] = {{.msg_hdr = message}, {.msg_hdr = message}};
        snprintf(what, sizeof what, "%s broken %d: send", kind, how);
        SHOW(what, send(pair[0], "x", 1, 0));
        SHOW("   sendto", sendto(pair[0], "x", 1, 0, NULL, 0));
        SHOW("   sendmsg", sendmsg(pair[0], &message, 0));
        SHOW("   sendmmsg", sendmmsg(pair[0], messages, 2, 0));
        SHOW("   send MSG_NOSIGNAL", send(pair[0], "x", 1, MSG_NOSIGNAL));
        SHOW("   write", write(pair[0], "x", 1));
        close(pair[0]);
        close(pair[1]);
    }
}

static void makers(void) {
    int domains[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_UNSPEC, -1, 999};
    int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_RAW, 0, -1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0x10001};
    char what[100];
    for (unsigned d = 0; d < sizeof domains / sizeof *domains; d++)
        for (unsigned t = 0; t < sizeof types / sizeof *types; t++)
            for (int protocol = -1; protocol < 2; protocol++) {
                snprintf(what, sizeof what, "socket %d %x %d", domains[d], types[t], protocol);
                errno = 4711;
                int fd = socket(domains[d], types[t], protocol);
                printf("%-60s %d %s fd flags %d file flags %x\n", what, fd, error(fd), fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
                close(fd);
                int pair[2] = {-7, -7};
                errno = 4711;
                int result = socketpair(domains[d], types[t], protocol, pair);
                printf("%-60s %d %s %d %d\n", "   socketpair", result, error(result), pair[0], pair[1]);
                if (result == 0) {
                    close(pair[0]);
                    close(pair[1]);
                }
            }
    FAULTS("socketpair NULL", socketpair(AF_UNIX, SOCK_STREAM, 0, NULL));
    FAULTS("socketpair bad pointer", socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
}

static void acceptors(void) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 16);
    getsockname(listener, (struct sockaddr *)&address, &length);
    int flags[] = {0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK, 1, -1};
    for (int i = 0; i < 12; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (struct sockaddr *)&address, sizeof address) < 0)
            abort();
        struct sockaddr_storage peer;
        length = i % 3 == 0 ? sizeof peer : i % 3 == 1 ? 3 : 0;
        memset(&peer, 0, sizeof peer);
        errno = 4711;
        int fd = i < 6 ? accept4(listener, (struct sockaddr *)&peer, &length, flags[i])
                       : accept(listener, i == 11 ? NULL : (struct sockaddr *)&peer, i == 11 ? NULL : &length);
        printf("accept%s %d: %d %s length %u family %d flags %d %x\n", i < 6 ? "4" : "", i, fd, error(fd), length,
               peer.ss_family, fcntl(fd, F_GETFD), fcntl(fd, F_GETFL));
        if (fd >= 0)
            close(fd);
        else
            close(accept(listener, NULL, NULL));
        close(client);
    }
    fcntl(listener, F_SETFL, O_NONBLOCK);
    SHOW("accept with nobody there", accept(listener, NULL, NULL));
    SHOW("accept4 with nobody there", accept4(listener, NULL, NULL, 0));
    SHOW("accept on a bad descriptor", accept(-1, NULL, NULL));
    SHOW("accept on a file", accept(open("/dev/null", O_RDONLY), NULL, NULL));
    SHOW("accept4 on a bad descriptor", accept4(999, NULL, NULL, 0));
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    SHOW("accept on a datagram socket", accept(datagram, NULL, NULL));
    int unlistened = socket(AF_INET, SOCK_STREAM, 0);
    SHOW("accept without listen", accept(unlistened, NULL, NULL));
}

int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    signal(SIGPIPE, SIG_IGN);
    makers();
    acceptors();
    int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    const char *names[] = {"unix stream", "unix datagram", "unix seqpacket"};
    for (int i = 0; i < 3; i++) {
        int pair[2];
        socketpair(AF_UNIX, types[i], 0, pair);
        senders(names[i], pair[0], pair[1]);
        full(names[i], pair[0]);
        broken(names[i], types[i]);
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    bind(listener, (struct sockaddr *)&address, sizeof address);
    SHOW("send unconnected", send(listener, "x", 1, 0));
    listen(listener, 16);
    SHOW("send on a listener", send(listener, "x", 1, 0));
    getsockname(listener, (struct sockaddr *)&address, &length);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    SHOW("send before connect", send(client, "x", 1, 0));
    connect(client, (struct sockaddr *)&address, sizeof address);
    int server = accept(listener, NULL, NULL);
    SHOW("send on TCP", send(server, "hello", 5, MSG_MORE));
    SHOW("send on TCP, non-blocking", send(server, "hello", 5, MSG_DONTWAIT));
    struct linger linger = {1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    shutdown(client, SHUT_WR);
    char byte;
    SHOW("recv after FIN", recv(server, &byte, 1, 0));
    close(client);
    SHOW("send on a TCP connection that is gone", send(server, "x", 1, 0));
    SHOW("sendmsg likewise",
         sendmsg(server, &(struct msghdr){.msg_iov = &(struct iovec){"x", 1}, .msg_iovlen = 1}, 0));
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    SHOW("sendto over UDP", sendto(udp, "x", 1, 0, (struct sockaddr *)&address, sizeof address));
    SHOW("send over UDP, unconnected", send(udp, "x", 1, 0));
    SHOW("sendto family mismatch",
         sendto(udp, "x", 1, 0, (struct sockaddr *)&(struct sockaddr_un){.sun_family = AF_UNIX}, sizeof(struct sockaddr_un)));
    shutdown(udp, SHUT_WR);
    SHOW("sendto over UDP after shutdown", sendto(udp, "x", 1, 0, (struct sockaddr *)&address, sizeof address));
    int bad[] = {-1, 999, open("/dev/null", O_RDWR)};
    for (int i = 0; i < 3; i++) {
        SHOW("send to a bad descriptor", send(bad[i], "x", 1, 0));
        SHOW("   sendto", sendto(bad[i], "x", 1, 0, NULL, 0));
        SHOW("   sendmsg", sendmsg(bad[i], &(struct msghdr){0}, 0));
        SHOW("   sendmmsg", sendmmsg(bad[i], &(struct mmsghdr){0}, 1, 0));
    }
    int ends[2];
    if (pipe(ends) == 0)
        SHOW("send to a pipe", send(ends[1], "x", 1, 0));
    return 0;
}
