// Threads that wait, each for something else, or hold what others wait for. A thread's name says what it does.
// flags: -pthread
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inherited, robust, of_condition = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t both_have, held;
static sem_t semaphore;
static pthread_t deadlocked;

static void *first(void *_) { pthread_mutex_lock(&one); pthread_barrier_wait(&both_have); pthread_mutex_lock(&other); return _; }
static void *second(void *_) { pthread_mutex_lock(&other); pthread_barrier_wait(&both_have); pthread_mutex_lock(&one); return _; }
static void *holder(void *_) {
    pthread_mutex_lock(&inherited);
    pthread_mutex_lock(&robust);
    pthread_rwlock_wrlock(&rwlock);
    pthread_barrier_wait(&held);
    pause();
    return _;
}
static void *inheriting(void *_) { pthread_mutex_lock(&inherited); return _; }
static void *robustly(void *_) { pthread_mutex_lock(&robust); return _; }
static void *timed(void *_) {
    struct timespec late;
    clock_gettime(CLOCK_REALTIME, &late);
    late.tv_sec += 1000;
    pthread_mutex_timedlock(&one, &late);
    return _;
}
static void *rwlocking(void *_) { pthread_rwlock_rdlock(&rwlock); return _; }
static void *conditional(void *_) {
    pthread_mutex_lock(&of_condition);
    for (;;) pthread_cond_wait(&condition, &of_condition);
    return _;
}
static void *semaphoring(void *_) { sem_wait(&semaphore); return _; }
static void *joining(void *_) { pthread_join(deadlocked, NULL); return _; }
static void *epolling(void *_) {
    struct epoll_event event;
    epoll_wait(epoll_create1(0), &event, 1, -1);
    return _;
}
static int pipe_end(void) {
    int ends[2];
    return pipe(ends) == 0 ? ends[0] : -1;
}
static void *polling(void *_) {
    struct pollfd fds[2] = {{pipe_end(), POLLIN, 0}, {pipe_end(), POLLIN, 0}};
    poll(fds, 2, -1);
    return _;
}
// Three threads poll from one array: all of it, its first and its second entry.
static struct pollfd shared[3];
static void *pollshared(void *_) { poll(shared, 3, -1); return _; }
static void *pollfirst(void *_) { poll(shared, 1, -1); return _; }
static void *pollsecond(void *_) { poll(shared + 1, 1, -1); return _; }
static void *selecting(void *_) {
    fd_set set;
    FD_ZERO(&set);
    int end = pipe_end();
    FD_SET(end, &set);
    select(end + 1, &set, NULL, NULL, NULL);
    return _;
}
static void *reading(void *_) {
    char byte;
    return read(pipe_end(), &byte, 1) == 1 ? _ : NULL;
}
static void *spinning(void *_) {
    for (volatile long count = 0;; count++) {}
    return _;
}
static void *childwaiting(void *_) {
    pid_t child = fork();
    if (child == 0) { pause(); _exit(0); }
    waitpid(child, NULL, 0);
    return _;
}
static void *vforking(void *_) {
    if (vfork() == 0) { pause(); _exit(0); }
    return _;
}
static void on_signal(int signal) { (void)signal; pause(); }
static void *handling(void *_) {
    // The handler has a stack of its own.
    stack_t stack = {malloc(65536), 0, 65536};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    pthread_kill(pthread_self(), SIGUSR1);
    return _;
}
static __attribute__((noinline)) int deeper(int depth) {
    volatile char room[16] = {0};
    if (depth == 0) pause();
    return depth == 0 ? room[0] : deeper(depth - 1) + room[1];
}
static void *deep(void *_) { return deeper(20000) ? _ : NULL; }

static pthread_t start(const char *name, void *(*what)(void *)) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16 << 20);
    if (pthread_create(&thread, &attributes, what, NULL) != 0) exit(1);
    pthread_setname_np(thread, name);
    return thread;
}

int main(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inherited, &attributes);
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    pthread_barrier_init(&both_have, NULL, 3);
    pthread_barrier_init(&held, NULL, 2);

    deadlocked = start("first", first);
    start("second", second);
    pthread_barrier_wait(&both_have);
    start("holder", holder);
    pthread_barrier_wait(&held);
    start("inheriting", inheriting);
    start("robustly", robustly);
    start("timed", timed);
    start("rwlocking", rwlocking);
    start("conditional", conditional);
    start("semaphoring", semaphoring);
    start("joining", joining);
    start("epolling", epolling);
    start("polling", polling);
    for (int i = 0; i < 3; i++) shared[i] = (struct pollfd){pipe_end(), POLLIN, 0};
    start("pollshared", pollshared);
    start("pollfirst", pollfirst);
    start("pollsecond", pollsecond);
    start("selecting", selecting);
    start("reading", reading);
    start("spinning", spinning);
    start("childwaiting", childwaiting);
    start("vforking", vforking);
    start("handling", handling);
    start("deep", deep);
    for (;;) sleep(1000);
}
