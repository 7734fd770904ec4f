// The kinds of memory that a child process does not get (MADV_DONTFORK) or gets as zeros (MADV_WIPEONFORK), and a crash: everything that
// can be written (whoever locks all memory for a device does that), a thread's stack that is wiped, the stack of another thread, the
// program's own alternate stack, on which its handler raises the signal again, and the heap that an abort message lies in.
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sem_t waits;

__attribute__((noinline)) static int read_buffer(int *volatile from) { return *from; }
__attribute__((noinline)) static int poll_queue(int *from) { return read_buffer(from) + 1; }
__attribute__((noinline)) static int run_device(int *from) { return poll_queue(from) + 1; }
static void *device(void *unused) { return (void *)(long)run_device(0); }

__attribute__((noinline)) static void wait_for_device(void) {
    sem_post(&waits);
    for (;;) pause();
}
static void *waiter(void *unused) {
    wait_for_device();
    return 0;
}

static void keep_everything(void) {
    static char lines[1 << 18], places[512][2 * sizeof(long)];
    FILE *file = fopen("/proc/self/maps", "r");
    size_t length = fread(lines, 1, sizeof lines - 1, file), count = 0;
    fclose(file);
    lines[length] = 0;
    for (char *line = strtok(lines, "\n"); line && count < 512; line = strtok(0, "\n")) {
        unsigned long *place = (unsigned long *)places[count];
        char rights[5];
        if (sscanf(line, "%lx-%lx %4s", place, place + 1, rights) == 3 && rights[1] == 'w') count++;
    }
    for (size_t i = 0; i < count; i++) {
        unsigned long *place = (unsigned long *)places[i];
        madvise((void *)place[0], place[1] - place[0], MADV_DONTFORK);
    }
}

static void on_fault(int number) {
    signal(number, SIG_DFL);
    raise(number);
}

static pthread_t start(void *(*run)(void *), int advice) {
    size_t size = 1 << 20;
    char *stack = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (madvise(stack, size, advice)) exit(77);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, size);
    pthread_t thread;
    pthread_create(&thread, &attributes, run, 0);
    return thread;
}

int main(int count, char **arguments) {
    const char *what = arguments[1];
    if (!strcmp(what, "wiped")) {
        pthread_join(start(device, MADV_WIPEONFORK), 0);
    } else if (!strcmp(what, "everything")) {
        keep_everything();
        device(0);
    } else if (!strcmp(what, "others")) {
        sem_init(&waits, 0, 0);
        start(waiter, MADV_DONTFORK);
        sem_wait(&waits);
        device(0);
    } else if (!strcmp(what, "alternate")) {
        char *memory = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(memory, 1 << 16, MADV_DONTFORK);
        stack_t stack = {.ss_sp = memory, .ss_size = 1 << 16};
        sigaltstack(&stack, 0);
        struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK};
        sigaction(SIGSEGV, &action, 0);
        device(0);
    } else if (!strcmp(what, "address")) {
        char *memory = mmap(0, 1 << 16, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        madvise(memory, 1 << 16, MADV_DONTFORK);
        memory[4096] = 1;
    }
    return 0;
}
