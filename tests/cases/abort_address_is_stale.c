// After an abort(3) that the program has jumped out of, its stack has return addresses of abort still. raise(3), pthread_kill(3) and
// tgkill(2) at all depths of the same stack are no abort: their handler returns, and the program goes on.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int recovered, received;

static void on_abort(int number) {
    received++;
    if (!recovered) siglongjmp(back, 1);
}

__attribute__((noinline)) static void at_depth(int depth) {
    volatile char room[24];
    if (depth > 0) {
        at_depth(depth - 1);
    } else {
        raise(SIGABRT);
        pthread_kill(pthread_self(), SIGABRT);
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGABRT);
        kill(getpid(), SIGABRT);
    }
    room[0] = 1;
}

__attribute__((noinline)) static void fails(void) {
    volatile char room[600];
    room[0] = 1;
    abort();
}

int main(void) {
    struct sigaction action = {.sa_handler = on_abort};
    sigaction(SIGABRT, &action, 0);
    for (int depth = 0; depth < 30; depth++) {
        recovered = 0;
        if (!sigsetjmp(back, 1)) fails();
        recovered = 1;
        at_depth(depth);
    }
    printf("%d signals\n", received);
    return 0;
}
