// A SIGPIPE interrupts code that is no longer there when its handler begins: another signal, whose handler runs first, has unmapped it.
// The program's handler of SIGPIPE does not return there.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef long Call(int how, const sigset_t *set, sigset_t *old, size_t size);

static void *code;
static sigjmp_buf out;

static void unmap(int number) {
    if (munmap(code, 4096)) _exit(1);
}
static void leave(int number) { siglongjmp(out, 1); }

int main(void) {
#ifdef __x86_64__
    static const unsigned char bytes[] = {0x49, 0x89, 0xca, 0xb8, 14, 0, 0, 0, 0x0f, 0x05, 0xc3}; // mov r10, rcx; mov eax, 14; syscall; ret
#else
    static const unsigned bytes[] = {0xd28010e8, 0xd4000001, 0xd65f03c0}; // mov x8, #135; svc #0; ret
#endif
    code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) return 2;
    // Behind the page's start: all of what is looked at is on it.
    char *call = (char *)code + 64;
    memcpy(call, bytes, sizeof bytes);
    __builtin___clear_cache(call, call + sizeof bytes);
    signal(SIGALRM, unmap); // its number is higher: its frame is the second one, so its handler begins first
    signal(SIGPIPE, leave);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGPIPE);
    sigaddset(&both, SIGALRM);
    sigprocmask(SIG_BLOCK, &both, 0);
    kill(getpid(), SIGPIPE);
    kill(getpid(), SIGALRM);
    if (sigsetjmp(out, 0)) puts("left");
    else ((Call *)call)(SIG_UNBLOCK, &both, 0, 8);
    return 0;
}
