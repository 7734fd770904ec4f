// A program's handler for a signal that is no crash has the bug; or the fault comes while a handler runs, and the program's own handler for
// faults raises it again.
#include <signal.h>
#include <string.h>

static volatile int *volatile nothing;

__attribute__((noinline)) static void on_timer(int signal) {
    *nothing = signal;
}

static void on_other(int signal) {
    raise(SIGUSR2);
    *nothing = signal;
}

static void on_fault(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, 0);
    raise(signal);
}

int main(int count, char **arguments) {
    int raises = count > 1 && !strcmp(arguments[1], "raises");
    struct sigaction action = {.sa_handler = on_fault};
    if (raises) sigaction(SIGSEGV, &action, 0);
    action.sa_handler = on_other;
    sigaction(SIGUSR1, &action, 0);
    action.sa_handler = on_timer;
    sigaction(SIGUSR2, &action, 0);
    raise(SIGUSR1);
    return 0;
}
