// The program has no alternate stack, and handlers that would use one (SA_ONSTACK). They use 200 KB of their threads' stacks, whether they
// come alone, several at once, or leave by siglongjmp or swapcontext, which others then interrupt. Signal masks are as asked for.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

static sigjmp_buf before;
static ucontext_t outside, inside, begin;

static void print_mask(const char *what, const sigset_t *mask) {
    printf("%s", what);
    for (int i = 1; i < 32; i++)
        if (sigismember(mask, i)) printf(" %d", i);
    printf("\n");
}

static void use(int number) {
    volatile char room[200000];
    for (unsigned i = 0; i < sizeof room; i++) room[i] = number;
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, 0, &mask);
    printf("signal %d, ", number), print_mask("blocked:", &mask);
    for (unsigned i = 0; i < sizeof room; i++)
        if (room[i] != number) abort();
}

static void plain(int number) { use(number); }
static void jump(int number) { use(number), siglongjmp(before, 1); }
static void swap(int number) { use(number), swapcontext(&inside, &outside), use(number); }
static void with_info(int number, siginfo_t *info, void *context) {
    if (info->si_signo != number) abort();
    print_mask("to return to, blocked:", &((ucontext_t *)context)->uc_sigmask);
    use(number);
}

static void set(int number, void *handler, int flags, int blocked) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, told;
    if (blocked) sigaddset(&action.sa_mask, blocked);
    sigaction(number, &action, 0);
    sigaction(number, 0, &told);
    printf("%d: %s, flags %x, ", number, told.sa_handler == (void *)handler ? "as set" : "another", told.sa_flags);
    print_mask("mask:", &told.sa_mask);
}

static void tell_stack(void) {
    stack_t stack;
    sigaltstack(0, &stack);
    printf("alternate stack: flags %d, size %zu\n", stack.ss_flags, stack.ss_size);
}

static void raise_term(void) { raise(SIGTERM); }

static void *run(void *unused) {
    tell_stack();
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    raise(SIGUSR1), raise(SIGUSR2), raise(SIGHUP), raise(SIGALRM), raise(SIGRTMIN + 6);
    pthread_sigmask(SIG_SETMASK, &old, 0);
    raise(SIGUSR1), raise(SIGUSR2);
    for (int i = 0; i < 3; i++)
        if (!sigsetjmp(before, 1)) raise(SIGINT);
    getcontext(&begin);
    begin.uc_stack.ss_size = 1 << 20;
    begin.uc_stack.ss_sp = malloc(begin.uc_stack.ss_size);
    begin.uc_link = &outside;
    makecontext(&begin, raise_term, 0);
    swapcontext(&outside, &begin);
    raise(SIGUSR1), raise(SIGHUP);
    static volatile int is_over;
    is_over = 0;
    getcontext(&outside);
    if (!is_over++) setcontext(&inside);
    struct sigaction action;
    set(SIGCHLD, plain, SA_RESETHAND | SA_ONSTACK, 0);
    raise(SIGCHLD);
    sigaction(SIGCHLD, 0, &action);
    printf("after SA_RESETHAND: %s, flags %x\n", action.sa_handler == SIG_DFL ? "default" : "another", action.sa_flags);
    return 0;
}

int main(int count, char **arguments) {
    setvbuf(stdout, 0, _IONBF, 0);
    set(SIGUSR2, with_info, SA_SIGINFO, SIGCHLD);
    set(SIGHUP, plain, 0, 0);
    set(SIGUSR1, with_info, SA_SIGINFO | SA_ONSTACK, SIGWINCH);
    set(SIGALRM, plain, SA_ONSTACK | SA_RESTART, 0);
    set(SIGRTMIN + 6, with_info, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, 0);
    set(SIGINT, jump, SA_ONSTACK, 0);
    set(SIGTERM, swap, SA_ONSTACK, 0);
    run(0);
    pthread_t thread;
    pthread_create(&thread, 0, run, 0);
    pthread_join(thread, 0);
    return 0;
}
