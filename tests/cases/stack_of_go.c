// What Go's runtime does in programs with C code: it asks the kernel itself, not libc, whether a thread has an alternate stack, makes one if
// there is none, or else takes the one that is there, uses up to 32 KB of it, and ends the process when a handler does not run on it. Files
// made by Go have this note.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((section(".note.go.buildid,\"a\",@note#"), used, aligned(4))) static const struct { unsigned name, size, type; char text[4], id[4]; } note = {4, 4, 4, "Go", "abc"};

static __thread char *low, *high;
static volatile int calls;

static long ask_kernel(const stack_t *new, stack_t *old) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_sigaltstack), "D"(new), "S"(old) : "rcx", "r11", "memory");
    return result;
}

static void on_signal(int number, siginfo_t *info, void *context) {
    volatile char room[24 << 10];
    for (unsigned i = 0; i < sizeof room; i += 512) room[i] = 1;
    if ((char *)room < low || (char *)room > high) abort();
    calls++;
}

static void *run(void *unused) {
    stack_t stack;
    ask_kernel(0, &stack);
    if (stack.ss_flags & SS_DISABLE) {
        stack = (stack_t){.ss_sp = malloc(65536), .ss_size = 65536};
        ask_kernel(&stack, 0);
    }
    low = stack.ss_sp, high = low + stack.ss_size;
    raise(SIGUSR1), raise(SIGUSR2);
    return 0;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0), sigaction(SIGUSR2, &action, 0);
    run(0);
    pthread_t thread;
    pthread_create(&thread, 0, run, 0);
    pthread_join(thread, 0);
    printf("%d calls\n", calls);
    return 0;
}
