/* A thread that has lost its control block, with errno in it, crashes: the block is unmapped by mistake, or its address is gone. What
 * our handler did first was to save errno, which was a fault again, for ever. */
#define _GNU_SOURCE
#ifdef __x86_64__
#include <asm/prctl.h>
#endif
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int *volatile table;

__attribute__((noinline)) static int lookup(int i)
{
    return table[i];
}

/* libc's functions use the control block. */
static long call(long number, long first, long second)
{
#ifdef __x86_64__
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(first), "S"(second) : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = first, x1 __asm__("x1") = second;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
    return x0;
#endif
}

__attribute__((noinline)) static void lose_memory(void)
{
    char *block = (char *)pthread_self();
    /* Variables of the thread lie below. */
    call(SYS_munmap, ((long)block & -4096) - 4096, 3 * 4096);
    lookup(1);
}

static void *work(void *unused)
{
    /* The stack begins right below the block and is to stay. */
    volatile char distance[4 * 4096];
    distance[0] = 0;
    lose_memory();
    distance[1] = 0;
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    if (argc > 1 && strcmp(argv[1], "thread") == 0) {
        pthread_create(&thread, NULL, work, NULL);
        pthread_join(thread, NULL);
    } else if (argc > 1) {
        lose_memory();
    }
#ifdef __x86_64__
    call(SYS_arch_prctl, ARCH_SET_FS, 0);
#else
    __asm__ volatile("msr tpidr_el0, xzr");
#endif
    lookup(1);
}
