// sources: zoo.h
/* Alternate stacks: the program's own is never replaced, on main or on a thread; a thread that ends leaves nothing. */
#define OWN_CHAIN
#include "zoo.h"

static stack_t own;

static void compare(const char *what) {
    stack_t now;
    check(sigaltstack(NULL, &now) == 0 && now.ss_sp == own.ss_sp && now.ss_size == own.ss_size && now.ss_flags == 0, what);
}

static void install(void) {
    own = (stack_t){.ss_sp = malloc(32768), .ss_size = 32768};
    check(sigaltstack(&own, NULL) == 0, "sigaltstack");
}

static void on_stack(int signal) {
    char here;
    check(signal == SIGUSR1 && &here > (char *)own.ss_sp && &here < (char *)own.ss_sp + own.ss_size, "runs on its stack");
}

static void *thread(void *nothing) {
    install();
    handle(SIGUSR1, on_stack, SA_ONSTACK);
    raise(SIGUSR1);
    compare("still the thread's own");
    return nothing;
}

static void *idle(void *nothing) {
    return nothing;
}

static long mapped(void) {
    char text[256] = "";
    int file = open("/proc/self/statm", O_RDONLY);
    check(read(file, text, sizeof text - 1) > 0, "statm");
    close(file);
    return atol(text) * 4;
}

static long threads(void) {
    char text[4096] = "", *field;
    int file = open("/proc/self/status", O_RDONLY);
    check(read(file, text, sizeof text - 1) > 0 && (field = strstr(text, "Threads:")), "status");
    close(file);
    return atol(field + 8);
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    install();
    compare("main's own");
    pthread_t other;
    void *result;
    for (int i = 0; i < 10; i++) {
        stack_t kept = own;
        check(pthread_create(&other, NULL, thread, NULL) == 0 && pthread_join(other, &result) == 0, "thread");
        own = kept;
    }
    compare("main's own, after threads");
    for (int i = 0; i < 100; i++)
        check(pthread_create(&other, NULL, idle, NULL) == 0 && pthread_join(other, &result) == 0, "thread");
    long before = mapped();
    for (int i = 0; i < 10000; i++) {
        check(pthread_create(&other, NULL, idle, NULL) == 0, "pthread_create");
        if (i % 2)
            check(pthread_join(other, &result) == 0, "pthread_join");
        else
            check(pthread_detach(other) == 0, "pthread_detach");
    }
    /* Their stacks are there as long as they are. */
    while (threads() > 1)
        sched_yield();
    long grown = mapped() - before;
    printf("grown by %ld KiB\n", grown);
    /* libc keeps some 40 MiB of stacks for the next threads; 10,000 leaked alternate stacks would be 640 MiB. */
    return grown > 150000;
}
