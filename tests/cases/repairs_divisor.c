// A divisor in memory is zero. The handler, installed by signal(3), puts another there and returns, and the division succeeds: nothing
// that can be seen in the registers has changed, nor has any page.
#include <signal.h>
#include <stdio.h>

static volatile int divisor, faults, i;

static void on_fault(int number) {
    faults++;
    divisor = 1;
}

__attribute__((noinline)) static void divide(void) {
    __asm__ volatile("mov $7, %%eax\n xor %%edx, %%edx\n divl %0" : : "m"(divisor) : "eax", "edx", "cc");
}

int main(void) {
    signal(SIGFPE, on_fault);
    for (i = 0; i < 5; i++) {
        divisor = 0;
        divide();
    }
    printf("%d faults\n", faults);
    return 0;
}
