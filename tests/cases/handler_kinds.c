// Handlers of the program's own that give up in different ways. The first argument says how: r raise, k kill, a abort, u raise with the
// signal unblocked, n nothing but a return; then S for SA_SIGINFO, N for SA_NODEFER, O for a stack of its own. The second argument is the
// fault: null, zero (a division), trap, or none, where the program raises the signal without a fault.
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *how;

static void give_up(int number) {
    char printed[20000]; // as a stack trace takes
    memset(printed, 7, sizeof printed);
    __asm__ volatile("" ::"r"(printed) : "memory");
    signal(number, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    if (*how == 'u') sigprocmask(SIG_UNBLOCK, &set, 0);
    if (*how == 'r' || *how == 'u') raise(number);
    if (*how == 'k') kill(getpid(), number);
    if (*how == 'a') abort();
}

static void give_up_with_information(int number, siginfo_t *information, void *context) { give_up(number); }

__attribute__((noinline)) static int query(int *volatile row) { return *row; }
__attribute__((noinline)) static int ratio(volatile int a, volatile int b) { return a / b; }
__attribute__((noinline)) static void unreachable(void) { __builtin_trap(); }

int main(int argc, char **argv) {
    how = argv[1];
    struct sigaction action = {.sa_handler = give_up};
    if (strchr(how, 'S')) action.sa_sigaction = give_up_with_information, action.sa_flags |= SA_SIGINFO;
    if (strchr(how, 'N')) action.sa_flags |= SA_NODEFER;
    if (strchr(how, 'O')) {
        stack_t stack = {.ss_sp = malloc(100000), .ss_size = 100000};
        sigaltstack(&stack, 0);
        action.sa_flags |= SA_ONSTACK;
    }
    int signals[] = {SIGSEGV, SIGFPE, SIGILL};
    for (int i = 0; i < 3; i++) sigaction(signals[i], &action, 0);
    if (!strcmp(argv[2], "null")) query((int *)0x18);
    if (!strcmp(argv[2], "zero")) ratio(1, 0);
    if (!strcmp(argv[2], "trap")) unreachable();
    raise(SIGSEGV);
    return 0;
}
