// A signal handler sets the action that the interrupted code is setting itself, between any two instructions of that: the program
// is stepped through it again and again. Each time, the library's static, which `nosigpipe status` reads, then has what the program
// is told. Threads that do the same at once come to the same points, but seldom.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

enum { BELIEF_HANDLER = 32, OF_SIGSEGV = 184, TRAP_FLAG = 0x100 };

static int number;
static volatile long steps, wanted;

static void one(int number) { (void)number; }
static void other(int number) { (void)number; }

static void set(void (*handler)(int)) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(number, &action, 0);
}

#ifdef __x86_64__
static void stepped(int trap, siginfo_t *info, void *context) {
    (void)trap, (void)info;
    if (++steps < wanted) return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    set(other);
}

static void set_by_steps(void) {
    __asm__ volatile("sub $128, %%rsp\n pushf\n orl %0, (%%rsp)\n popf\n add $128, %%rsp" : : "i"(TRAP_FLAG) : "memory", "cc");
    set(one);
    __asm__ volatile("sub $128, %%rsp\n pushf\n andl %0, (%%rsp)\n popf\n add $128, %%rsp" : : "i"(~TRAP_FLAG) : "memory", "cc");
}
#endif

int main(void) {
#ifdef __x86_64__
    char *state = dlsym(RTLD_DEFAULT, "nosigpipe_state");
    if (!state) return 0;
    struct sigaction trap = {.sa_sigaction = stepped, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &trap, 0);
    for (int i = 0; i < 2; i++) {
        long wrong = 0;
        number = i ? SIGSEGV : SIGPIPE;
        set(other);
        steps = 0;
        for (wanted = 1; steps == wanted - 1; wanted++) {
            steps = 0;
            set_by_steps();
            struct sigaction told;
            uint64_t said;
            sigaction(number, 0, &told);
            memcpy(&said, state + (i ? OF_SIGSEGV : BELIEF_HANDLER), sizeof said);
            wrong += said != (uintptr_t)told.sa_handler;
        }
        printf("%s: %ld times wrong\n", i ? "SIGSEGV" : "SIGPIPE", wrong);
    }
    return 0;
#else
    fprintf(stderr, "stepping is the x86_64's\n");
    return 77;
#endif
}
