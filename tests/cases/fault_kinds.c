// Faults that only look alike: what was refused, and why. The argument says which.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static char buffer[256] __attribute__((aligned(64)));
static const unsigned long nowhere = 0x4141414141414141;

__attribute__((noinline)) static void culprit(const char *kind) {
    volatile int zero = 0, one = 1, least = INT_MIN;
    volatile long long_least = LONG_MIN, minus_one = -1;
    if (!strcmp(kind, "by zero")) zero = one / zero;
    if (!strcmp(kind, "remainder by zero")) zero = one % zero;
    if (!strcmp(kind, "long quotient")) long_least = long_least / minus_one;
    if (!strcmp(kind, "misaligned read")) __asm__ volatile("movdqa (%0), %%xmm0" ::"r"(buffer + 4));
    if (!strcmp(kind, "misaligned with index")) __asm__ volatile("addps 3(%0,%1,4), %%xmm0" ::"r"(buffer), "r"(8L));
    if (!strcmp(kind, "misaligned relative")) __asm__ volatile("pshufd $1, buffer+2(%rip), %xmm0");
    if (!strcmp(kind, "misaligned cmpxchg16b")) __asm__ volatile("lock cmpxchg16b (%0)" ::"r"(buffer + 8) : "rax", "rdx");
    if (!strcmp(kind, "misaligned state")) __asm__ volatile("fxsave64 (%0)" ::"r"(buffer + 1) : "memory");
    if (!strcmp(kind, "reserved bits")) { // of MXCSR: a general protection fault that has to do with no address
        *(unsigned *)(buffer + 4) = -1;
        __asm__ volatile("ldmxcsr (%0)" ::"r"(buffer + 4));
    }
    if (!strcmp(kind, "control register")) __asm__ volatile("mov %%cr0, %%rax" ::: "rax");
    if (!strcmp(kind, "cli")) __asm__ volatile("cli");
    if (!strcmp(kind, "port")) __asm__ volatile("in $0x61, %%al" ::: "rax");
    if (!strcmp(kind, "wrmsr")) __asm__ volatile("wrmsr" ::"a"(0), "c"(0), "d"(0));
    if (!strcmp(kind, "interrupt")) __asm__ volatile("int $0x40");
    if (!strcmp(kind, "segment")) __asm__ volatile("mov %0, %%ds" ::"r"(0x1234));
    if (!strcmp(kind, "write nowhere")) *(volatile char *)nowhere = 1;
    if (!strcmp(kind, "copy nowhere")) __asm__ volatile("rep movsb" ::"S"(nowhere), "D"(buffer), "c"(8L) : "memory");
    if (!strcmp(kind, "jump nowhere")) __asm__ volatile("jmp *%0" ::"r"(nowhere));
    if (!strcmp(kind, "call nowhere")) __asm__ volatile("call *nowhere(%rip)");
    if (!strcmp(kind, "return nowhere")) __asm__ volatile("push %0; ret" ::"r"(nowhere));
    if (!strcmp(kind, "stack nowhere")) __asm__ volatile("mov %0, %%rbp; mov 8(%%rbp), %%rax" ::"r"(nowhere) : "rax");
    if (!strcmp(kind, "trap")) __builtin_trap();
    if (!strcmp(kind, "int3")) __asm__ volatile("int3");
    if (!strcmp(kind, "aligned checked")) __asm__ volatile("pushf; orl $0x40000, (%%rsp); popf; mov 1(%0), %%eax" ::"r"(buffer) : "rax");
    if (!strcmp(kind, "behind heap")) { // an array that lies below and is overrun upwards, up to a page that may not be touched
        char *area = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(area + 4096, 4096, PROT_NONE);
        memset(area, 1, 8192);
    }
}

int main(int argc, char **argv) {
    culprit(argv[1]);
    return 0;
}
