// A handler only returns: another thread makes the page accessible, some time after the handler has been called for it often. It was
// installed by sigaction(2), so the thread tries again and again, as without the library.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

static char *page;
static volatile int faults;

static void on_fault(int number) { __atomic_add_fetch(&faults, 1, __ATOMIC_SEQ_CST); }

static void *repair(void *unused) {
    while (__atomic_load_n(&faults, __ATOMIC_SEQ_CST) < 1000) {}
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    return 0;
}

int main(void) {
    page = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, 0);
    pthread_t thread;
    pthread_create(&thread, 0, repair, 0);
    *(volatile char *)page = 1;
    pthread_join(thread, 0);
    puts("goes on");
    return 0;
}
