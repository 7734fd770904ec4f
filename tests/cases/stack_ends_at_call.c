// A call on a broken socket whose stack begins or ends right there, as a coroutine's may, and before whose instruction there is one
// that would read its number from the stack, or has written it there, but was jumped over: what it names is not mapped.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// The instruction before the call takes part in nothing: `number` is in rax.
#define WRITE(before, sp)                                                                                                    \
    __asm__ volatile("mov %%rsp, %%rbx\n mov %4, %%rsp\n jmp 1f\n " before "\n 1: syscall\n mov %%rbx, %%rsp"                \
                     : "=a"(result)                                                                                          \
                     : "a"((long)SYS_write), "D"((long)pair[0]), "S"("x"), "r"(sp), "d"(1L)                                  \
                     : "rbx", "rcx", "r11", "memory", "cc")

int main(void) {
    int pair[2];
    long result = 0;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    close(pair[1]);
#ifdef __x86_64__
    char *stack = mmap(0, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(stack + 4096, 4096, PROT_READ | PROT_WRITE);
    char *places[] = {stack + 8192 - 16, stack + 8192};
    for (int i = 0; i < 2; i++) {
        WRITE("mov 64(%%rsp), %%rax", places[i]);
        printf("at its end: %s\n", strerror(-result));
    }
    WRITE("mov %%rax, -8(%%rsp)", stack + 4096);
    printf("at its beginning: %s\n", strerror(-result));
#else
    for (int i = 0; i < 3; i++) {
        result = write(pair[0], "x", 1);
        printf(i < 2 ? "at its end: %m\n" : "at its beginning: %m\n");
    }
#endif
    return 0;
}
