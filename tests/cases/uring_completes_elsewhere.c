// A write through io_uring waits for room in a socket. Its peer goes, and the kernel does the write at the end of whatever call the thread
// makes next, or between two of its instructions: that is where SIGPIPE comes.
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned *tail;
static int null, empty[2];

static void calculates(void) {}
static void asks(void) { getppid(); }
static void asks_by_syscall(void) { syscall(SYS_getppid); }
static void writes(void) { write(null, "x", 1); }
static void writes_vectors(void) { syscall(SYS_writev, null, &(struct { char *base; size_t size; }){"x", 1}, 1); }
static void waits(void) { poll(&(struct pollfd){empty[0], POLLIN, 0}, 1, 1); }
static void reads(void) { char byte; static int zero = -1; if (zero < 0) zero = open("/dev/zero", O_RDONLY); read(zero, &byte, 1); }
static void fails(void) { close(-1); }

static int trial(unsigned operation, void (*act)(void)) {
    struct io_uring_params p = {0};
    int ring = syscall(SYS_io_uring_setup, 4, &p);
    if (ring < 0) return 77;
    int both = PROT_READ | PROT_WRITE;
    char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, both, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), both, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entry = mmap(0, p.sq_entries * sizeof *entry, both, MAP_SHARED, ring, IORING_OFF_SQES);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    static char much[4096];
    while (send(pair[0], much, sizeof much, MSG_DONTWAIT) > 0);
    pid_t peer = fork();
    if (!peer) {
        usleep(30000);
        _exit(0);
    }
    close(pair[1]);
    *entry = (struct io_uring_sqe){.opcode = operation, .fd = pair[0], .addr = (unsigned long)"x", .len = 1};
    *(unsigned *)(sq + p.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    syscall(SYS_io_uring_enter, ring, 1, 0, 0, 0, 0);
    tail = (unsigned *)(cq + p.cq_off.tail);
    for (time_t start = time(0); !*tail && time(0) - start < 5;) act();
    struct io_uring_cqe *result = (void *)(cq + p.cq_off.cqes);
    return *tail ? -result->res : 1;
}

int main(void) {
    struct { const char *name; void (*act)(void); } ways[] = {
        {"calculates", calculates}, {"asks", asks}, {"asks by syscall", asks_by_syscall}, {"writes", writes},
        {"writes vectors", writes_vectors}, {"waits", waits}, {"reads", reads}, {"fails", fails},
    };
    null = open("/dev/null", O_WRONLY);
    pipe(empty);
    for (unsigned i = 0; i < 2 * sizeof ways / sizeof *ways; i++) {
        unsigned operation = i % 2 ? IORING_OP_SEND : IORING_OP_WRITE;
        fflush(stdout);
        pid_t child = fork();
        if (!child) _exit(trial(operation, ways[i / 2].act));
        int status;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return fprintf(stderr, "no io_uring here\n"), 77;
        printf("%s %s: %s\n", i % 2 ? "send" : "write", ways[i / 2].name, WIFSIGNALED(status) ? "killed" : strerror(WEXITSTATUS(status)));
    }
    return 0;
}
