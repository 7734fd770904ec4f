/* Valgrind keeps few registers up to date between instructions. A handler that returns has the program go on with the old ones, and the
 * load that had failed read what lay at another address. */
#include <stdio.h>

static int *volatile nothing;

__attribute__((noinline)) static int query(int i)
{
    /* The address is no sooner in its register than it is used. */
    int value;
    __asm__ volatile("mov %2, %%rax\n\tmov (%%rax), %0" : "=r"(value) : "0"(i), "m"(nothing) : "rax", "memory");
    return value;
}

int main(void)
{
    int value;
    puts("start");
    fflush(stdout);
    /* What the register had before. */
    __asm__ volatile("mov %1, %%rax\n\tcall *%2" : "=a"(value) : "r"(&value), "r"(query), "D"(1) : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory");
    printf("gone on: %d\n", value != 0);
    return 0;
}
