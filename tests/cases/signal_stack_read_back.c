// What sigaltstack(2) tells and takes, by its name and by syscall(2): at the start of a thread, with a stack of the program's, without it
// again, in handlers, after refused calls, in children by fork and vfork. And many threads that come and go.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(const char *when) {
    stack_t stack = {.ss_size = 1};
    int result = sigaltstack(0, &stack);
    dprintf(1, "%s: %d, flags %d, size %zu; ", when, result, stack.ss_flags, stack.ss_size);
    result = syscall(SYS_sigaltstack, 0, &stack);
    dprintf(1, "%d, flags %d, size %zu\n", result, stack.ss_flags, stack.ss_size);
}

static void on_signal(int number) { tell("in a handler"); }

static void set(const char *what, stack_t stack) {
    stack_t old = {.ss_size = 1};
    int result = sigaltstack(&stack, &old);
    dprintf(1, "%s: %d, before: flags %d, size %zu\n", what, result, old.ss_flags, old.ss_size);
    tell("then");
    raise(SIGUSR1);
}

static void *run(void *unused) {
    int status;
    char *place = malloc(40000);
    tell("at the start");
    raise(SIGUSR1);
    set("zeros", (stack_t){0});
    set("own", (stack_t){.ss_sp = place, .ss_size = 40000});
    set("none", (stack_t){.ss_flags = SS_DISABLE});
    set("too small", (stack_t){.ss_sp = place, .ss_size = 10});
    set("own again", (stack_t){.ss_sp = place, .ss_size = 40000});
    set("none again", (stack_t){.ss_flags = SS_DISABLE});
    set("zeros", (stack_t){0});
    dprintf(1, "bad address: %d\n", sigaltstack((void *)8, 0));
    if (!fork()) tell("child by fork"), _exit(0);
    wait(&status);
    if (!vfork()) tell("child by vfork"), _exit(0);
    wait(&status);
    tell("at the end");
    return 0;
}

static void *nothing(void *unused) { return 0; }

int main(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, 0);
    run(0);
    pthread_t thread, many[100];
    pthread_create(&thread, 0, run, 0);
    pthread_join(thread, 0);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 100; i++) pthread_create(&many[i], 0, nothing, 0);
        for (int i = 0; i < 100; i++) pthread_join(many[i], 0);
    }
    dprintf(1, "over\n");
    return 0;
}
