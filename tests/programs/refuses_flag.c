/* refuses_flag: a socket of a family that refuses MSG_NOSIGNAL, as AX.25 (EINVAL) and RDS (EOPNOTSUPP) do. A netlink socket
   behind a seccomp filter plays that family. Prints what each call returned: a program that sets no flag is never refused. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define LOW_HALF_OF_ARGUMENT(n) offsetof(struct seccomp_data, args[n])
/* Skips three instructions unless the call has this number; else refuses MSG_NOSIGNAL in argument `n`. */
#define REFUSE(number, n, error) \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)), \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3), \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW_HALF_OF_ARGUMENT(n)), \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MSG_NOSIGNAL, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

static void say(const char *call, long result) {
    printf("%s %ld %s\n", call, result, result < 0 ? strerrorname_np(errno) : "-");
}

int main(void) {
    struct sock_filter code[] = {
        REFUSE(SYS_sendto, 3, EINVAL),
        REFUSE(SYS_sendmsg, 2, EOPNOTSUPP),
        REFUSE(SYS_sendmmsg, 3, EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) {
        perror("seccomp");
        return 2;
    }
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (connect(fd, (struct sockaddr *)&kernel, sizeof kernel) < 0) {
        perror("netlink");
        return 2;
    }
    struct nlmsghdr nothing = {.nlmsg_len = sizeof nothing, .nlmsg_type = NLMSG_NOOP};
    struct iovec iov = {&nothing, sizeof nothing};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    say("send", send(fd, &nothing, sizeof nothing, 0));
    say("sendto", sendto(fd, &nothing, sizeof nothing, 0, (struct sockaddr *)&kernel, sizeof kernel));
    say("sendmsg", sendmsg(fd, &message.msg_hdr, 0));
    say("sendmmsg", sendmmsg(fd, &message, 1, 0));
    /* Whoever sets the flag himself is told. */
    say("send", send(fd, &nothing, sizeof nothing, MSG_NOSIGNAL));
    return 0;
}
