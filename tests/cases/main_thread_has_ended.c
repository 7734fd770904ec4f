// The main thread ends by pthread_exit(3), and the others go on: the kernel shows no memory and no descriptors under the process's own number
// any more, nor in /proc/self. "crash": one of the others crashes while another waits. "repair": a handler that was set by signal(3)
// repairs what it is called for.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_t first;
static pthread_barrier_t waiting;
static char *code;

static void until_the_main_thread_has_ended(void) {
    char path[64], line[256], *state = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", getpid(), getpid());
    pthread_join(first, 0);
    do {
        FILE *file = fopen(path, "r");
        if (!file) return;
        if (fgets(line, sizeof line, file)) state = strrchr(line, ')');
        fclose(file);
    } while (!state || state[2] != 'Z');
}

static void *wait_for_nothing(void *unused) {
    pthread_barrier_wait(&waiting);
    pause();
    return unused;
}

static void repair(int signal) {
    (void)signal;
    mprotect(code, 4096, PROT_READ | PROT_EXEC);
}

static void *crash(void *unused) {
    until_the_main_thread_has_ended();
    pthread_barrier_wait(&waiting);
    *(volatile int *)unused = 1;
    return unused;
}

static void *repaired(void *unused) {
#ifdef __aarch64__
    static const unsigned returns = 0xd65f03c0;
#else
    static const unsigned char returns = 0xc3;
#endif
    until_the_main_thread_has_ended();
    code = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(code, &returns, sizeof returns);
    mprotect(code, 4096, PROT_NONE);
    signal(SIGSEGV, repair);
    ((void (*)(void))code)();
    puts("repaired");
    fflush(stdout);
    _exit(0);
    return unused;
}

int main(int count, char **arguments) {
    pthread_t thread;
    first = pthread_self();
    pthread_barrier_init(&waiting, 0, 2);
    if (count > 1 && strcmp(arguments[1], "crash") == 0) {
        pthread_create(&thread, 0, wait_for_nothing, 0);
        pthread_create(&thread, 0, crash, 0);
    } else {
        pthread_create(&thread, 0, repaired, 0);
    }
    pthread_exit(0);
}
