// A debugger-like program: its handler, installed by signal(3), replaces the instruction that is not allowed by one that is, and returns.
// Later it puts the old one back, and all is the same again.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char *code;
static volatile int traps;

static void on_illegal(int number) {
    traps++;
    memcpy(code, "\x66\x90", 2); // a nop of two bytes, in place of ud2
}

int main(void) {
    code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGILL, on_illegal);
    for (volatile int i = 0; i < 5; i++) {
        memcpy(code, "\x0f\x0b\xc3", 3);
        ((void (*)(void))code)();
    }
    printf("%d traps\n", traps);
    return 0;
}
