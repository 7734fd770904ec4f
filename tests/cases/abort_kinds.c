// All ways into abort(3): the program's handler for SIGABRT returns, abort ends the process, and there is a report.
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_abort(int number) { write(1, "handler\n", 8); }

__attribute__((noinline)) static void fails(const char *how) {
    volatile int is_so = 0;
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "assert")) assert(is_so);
    if (!strcmp(how, "free")) free((char *)malloc(64) + 8);
}

static void *runs(void *how) {
    fails(how);
    return 0;
}

int main(int count, char **arguments) {
    struct sigaction action = {.sa_handler = on_abort};
    sigaction(SIGABRT, &action, 0);
    if (count > 2) {
        pthread_t thread;
        pthread_create(&thread, 0, runs, arguments[1]);
        pthread_join(thread, 0);
    }
    fails(arguments[1]);
    return 0;
}
