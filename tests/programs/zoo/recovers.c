// sources: zoo.h
/* Programs that fault on purpose, or get a crash signal, and live. They end with 5, and nobody says a word. */
#include "zoo.h"
#include <setjmp.h>

static sigjmp_buf back;
static char *volatile page;
static volatile int faults;

static void jump(int signal) {
    faults++;
    siglongjmp(back, signal);
}

static void open_page(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    check(info->si_addr == page, "si_addr");
    faults++;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void skip(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    faults++;
#ifdef __aarch64__
    ((ucontext_t *)context)->uc_mcontext.pc += 4;
#else
    /* mov eax, [rax] has two bytes */
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
#endif
}

static void count(int signal) {
    (void)signal;
    faults++;
}

static void open_known_page(int signal) {
    (void)signal;
    faults++;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

FN static void write_to_page(void) {
    mprotect(page, 4096, PROT_NONE);
    *(volatile char *)page = 1;
}

int fail(int depth) {
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(page != MAP_FAILED, "mmap");
    if (strcmp(way, "siglongjmp") == 0 || strcmp(way, "signal-siglongjmp") == 0) {
        if (strcmp(way, "siglongjmp") == 0)
            handle(SIGSEGV, jump, 0);
        else
            signal(SIGSEGV, jump);
        for (volatile int i = 0; i < 1000; i++)
            if (sigsetjmp(back, 1) == 0)
                sink = nowhere[0] + depth;
    } else if (strcmp(way, "mprotect") == 0) {
        struct sigaction action = {.sa_flags = SA_SIGINFO};
        action.sa_sigaction = open_page;
        sigaction(SIGSEGV, &action, NULL);
        for (int i = 0; i < 1000; i++) {
            mprotect(page, 4096, PROT_NONE);
            *(volatile char *)page = 1;
        }
    } else if (strcmp(way, "mprotect-same") == 0) {
        /* With the same in every register at each fault: the counter is in memory. */
        struct sigaction action = {.sa_flags = SA_SIGINFO};
        action.sa_sigaction = open_page;
        sigaction(SIGSEGV, &action, NULL);
        while (faults < 1000)
            write_to_page();
    } else if (strcmp(way, "signal-mprotect") == 0) {
        signal(SIGSEGV, open_known_page);
        for (int i = 0; i < 1000; i++) {
            mprotect(page, 4096, PROT_NONE);
            ((volatile char *)page)[i] = 1;
        }
    } else if (strcmp(way, "skip") == 0) {
        struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
        action.sa_sigaction = skip;
        sigaction(SIGSEGV, &action, NULL);
        for (int i = 0; i < 1000; i++)
#ifdef __aarch64__
            __asm__ volatile("mov x0, #0; ldr w0, [x0]" : : : "x0");
#else
            __asm__ volatile("xor %%eax, %%eax; mov (%%rax), %%eax" : : : "eax");
#endif
    } else if (strcmp(way, "trap") == 0) {
#ifdef __aarch64__
        /* There the instruction is not over when the signal comes. */
        struct sigaction action = {.sa_flags = SA_SIGINFO};
        action.sa_sigaction = skip;
        sigaction(SIGTRAP, &action, NULL);
        for (int i = 0; i < 1000; i++)
            __asm__ volatile("brk #0");
#else
        signal(SIGTRAP, count);
        for (int i = 0; i < 1000; i++)
            __asm__ volatile("int3");
#endif
    } else if (strcmp(way, "raise") == 0) {
        /* Raised signals come as often as they are raised. */
        handle(SIGABRT, count, 0);
        handle(SIGFPE, count, 0);
        for (int i = 0; i < 500; i++)
            raise(SIGABRT), raise(SIGFPE);
    } else if (strcmp(way, "ignored") == 0) {
        signal(SIGSEGV, SIG_IGN);
        signal(SIGABRT, SIG_IGN);
        for (faults = 0; faults < 1000; faults++)
            raise(faults % 2 ? SIGSEGV : SIGABRT);
    } else if (strcmp(way, "sigwait") == 0) {
        sigset_t set;
        int got;
        sigemptyset(&set);
        sigaddset(&set, SIGABRT);
        sigprocmask(SIG_BLOCK, &set, NULL);
        for (faults = 0; faults < 1000; faults++) {
            kill(getpid(), SIGABRT);
            check(sigwait(&set, &got) == 0 && got == SIGABRT, "sigwait");
        }
    } else if (strcmp(way, "overflow") == 0) {
        stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
        sigaltstack(&stack, NULL);
        handle(SIGSEGV, jump, SA_ONSTACK);
        if (sigsetjmp(back, 1) == 0) {
            struct rlimit limit;
            getrlimit(RLIMIT_STACK, &limit);
            for (;;) {
                volatile char *room = __builtin_alloca(4096);
                *room = 1;
            }
        }
        faults += 999;
    } else {
        check(0, "no such way");
    }
    check(faults == 1000, "not all faults seen");
    return 1;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    sink = serve(0);
    return 5;
}
