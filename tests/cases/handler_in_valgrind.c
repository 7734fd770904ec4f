// Handlers that ask for an alternate stack (SA_ONSTACK) where the program has none, in two threads, watched by a memory checker.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile int calls;

static void on_signal(int number, siginfo_t *info, void *context) {
    if (info->si_signo != number || !context) abort();
    calls++;
}

static void *run(void *unused) {
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
