/* QEMU's emulation of user programs, before its version 8, starts signal handlers with a stack that is not aligned. Done here
 * by a call in front of the handler that the kernel has. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

struct action {
    void (*handler)(int);
    unsigned long flags;
    void *restorer;
    unsigned long mask;
};

void (*behind)(int);

__attribute__((naked, used)) static void misalign(int signal)
{
    (void)signal;
    __asm__("call *behind(%rip)\n\tret");
}

__attribute__((noinline)) static int lookup(volatile int *table)
{
    return table[3];
}

int main(void)
{
    struct action action;
    syscall(SYS_rt_sigaction, SIGSEGV, NULL, &action, 8);
    if (action.handler != SIG_DFL) {
        behind = action.handler;
        action.handler = misalign;
        syscall(SYS_rt_sigaction, SIGSEGV, &action, NULL, 8);
    }
    return lookup(0);
}
