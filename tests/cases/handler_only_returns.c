// signal(3) and a handler that only returns, for a fault that stays: the handler has run, and the error is the program's end. Without
// the library the program would execute the instruction for ever.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_fault(int number) { write(1, "handler\n", 8); }

__attribute__((noinline)) static void fails(const char *how) {
    if (!strcmp(how, "read")) (void)*(volatile char *)8;
    if (!strcmp(how, "write")) *(volatile char *)fails = 1;
    if (!strcmp(how, "execute")) ((void (*)(void))0)();
    if (!strcmp(how, "divide")) __asm__ volatile("xor %%ecx, %%ecx\n xor %%edx, %%edx\n div %%ecx" ::: "eax", "ecx", "edx");
    if (!strcmp(how, "illegal")) __asm__ volatile("ud2");
    if (!strcmp(how, "wild")) (void)*(volatile char *)0x8000000000000000;
}

int main(int count, char **arguments) {
    int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    for (int i = 0; i < 4; i++) signal(signals[i], on_fault);
    fails(arguments[1]);
    return 0;
}
