// A program that has the kernel hand it its own system calls (Syscall User Dispatch, as Wine does for those of Windows): the library makes none
// while they are handed over. With an argument it crashes then; with "unhandled" it makes a system call without a handler of SIGSYS, with "always"
// it crashes when all calls but libc's are handed over, and with "gone" when the thread that had its calls handed over has ended.
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define DISPATCH 59 // PR_SET_SYSCALL_USER_DISPATCH
enum { OFF, ON };
enum { ALLOW, BLOCK };

static volatile char selector;
static int dispatched;

static void on_call(int number, siginfo_t *info, void *context) {
    selector = ALLOW;
    dispatched++;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 4711; // x86_64 alone
}

static void show(const char *how, long result) { printf("%s: %ld, %d dispatched\n", how, result, dispatched); }

static unsigned long libc_start, libc_size;

static int find_libc(struct dl_phdr_info *module, size_t size, void *unused) {
    if (!strstr(module->dlpi_name, "libc.so")) return 0;
    for (int index = 0; index < module->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[index];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
        libc_start = module->dlpi_addr + part->p_vaddr;
        libc_size = part->p_memsz;
    }
    return 1;
}

static void *dispatch(void *byte) { return prctl(DISPATCH, ON, 0, 0, byte) ? byte : 0; }

static void *end(void *unused) { abort(); }

// Where the kernel does not dispatch, too, the program ends as it should.
static void end_otherwise(const char *how) {
    pthread_t thread;
    if (!strcmp(how, "always")) {
        dl_iterate_phdr(find_libc, 0);
        prctl(DISPATCH, ON, libc_start, libc_size, 0);
        *(volatile int *)0 = 1;
    }
    if (!strcmp(how, "gone")) {
        void *byte = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pthread_create(&thread, 0, dispatch, byte);
        pthread_join(thread, 0);
        munmap(byte, 4096);
        pthread_create(&thread, 0, end, 0);
        pthread_join(thread, 0);
    }
}

int main(int argc, char **argv) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (argc > 1) end_otherwise(argv[1]);
    if (argc > 2) syscall(SYS_prctl, DISPATCH, ON, 0, 0, &selector);
    else if (prctl(DISPATCH, ON, 0, 0, &selector)) {
        fprintf(stderr, "the kernel does not dispatch system calls\n");
        return 77;
    }
    if (argc > 1 && !strcmp(argv[1], "unhandled")) {
        selector = BLOCK;
        return syscall(SYS_getppid);
    }
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, 0);
    long result;
    selector = BLOCK;
    asm volatile("syscall" : "=a"(result) : "a"(SYS_getpid) : "rcx", "r11", "memory");
    show("instruction", result);
    selector = BLOCK;
    show("syscall", syscall(SYS_getppid));
    selector = BLOCK;
    show("libc", getuid());
    action.sa_flags |= SA_ONSTACK;
    sigaction(SIGSYS, &action, 0);
    selector = BLOCK;
    show("with SA_ONSTACK", getuid());
    prctl(DISPATCH, OFF, 0, 0, 0);
    selector = BLOCK;
    show("no longer", getuid() != 4711);
    selector = ALLOW;
    prctl(DISPATCH, ON, 0, 0, &selector);
    fflush(stdout);
    if (argc > 1) {
        selector = BLOCK;
        *(volatile int *)0 = 1;
    }
    return 0;
}
