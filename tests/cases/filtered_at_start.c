// The process was started with a filter that kills for process_vm_readv(2), which it does not call, as a service manager may do it.
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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *page;

static void repair(int signal) {
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void count_trap(int signal) {
    puts("trapped");
}

static pthread_barrier_t all;

static pid_t crashing;

// The address is none that the processor has, and to tell that, the instruction is read.
static void *crash(void *nothing) {
    crashing = gettid();
    pthread_barrier_wait(&all);
    return *(void *volatile *)0x800000000000120;
}

// Writes as glibc since 2.41 does, which reads the call's number from the stack.
static long write_on(char *stack, long fd) {
    long result = fd;
    __asm__ volatile("mov %%rsp, %%rbx\n"
                     "mov %1, %%rsp\n"
                     "movq %2, 8(%%rsp)\n"
                     "mov 8(%%rsp), %%rax\n"
                     "syscall\n"
                     "mov %%rbx, %%rsp\n"
                     "mov %%rax, %0\n"
                     : "+D"(result)
                     : "r"(stack), "i"(SYS_write), "S"("x"), "d"(1L)
                     : "rax", "rbx", "rcx", "r11", "memory");
    return result;
}

int main(int count, char **arguments) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, filter};
    if (count < 3) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
        execl("/proc/self/exe", arguments[0], arguments[1], "filtered", (char *)0);
        return 77;
    }
    if (!strcmp(arguments[1], "repairs")) {
        page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        signal(SIGSEGV, repair);
        *(volatile char *)page = 1;
        puts("repaired");
        return 0;
    }
    if (!strcmp(arguments[1], "trap")) {
        signal(SIGTRAP, count_trap);
        __asm__ volatile("int3");
        return 0;
    }
    if (!strcmp(arguments[1], "crash")) {
        pthread_t thread;
        pthread_barrier_init(&all, 0, 4);
        for (int i = 0; i < 4; i++) pthread_create(&thread, 0, crash, 0);
        pause();
    }
    if (!strcmp(arguments[1], "exit")) {
        pthread_t thread;
        pthread_barrier_init(&all, 0, 2);
        pthread_create(&thread, 0, crash, 0);
        pthread_barrier_wait(&all);
        // The library has a child of that thread try what the filter forbids. Meanwhile the process ends.
        char path[64], child;
        snprintf(path, sizeof path, "/proc/self/task/%d/children", crashing);
        for (;;) {
            int file = open(path, O_RDONLY);
            if (read(file, &child, 1) == 1) return 0;
            close(file);
        }
    }
    // With the stack pointer at a page's start, what is there might not be the stack any more.
    char *stack = mmap(0, 1 << 17, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int pair[2];
    if (stack == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 77;
    close(pair[0]);
    printf("%s\n", strerror((int)-write_on(stack + (1 << 16), pair[1])));
    return 0;
}
