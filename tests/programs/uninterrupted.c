// Threads in every kind of call that waits, none of which returns by itself: what returns is printed. The first thread measures
// for how long it did not run, and prints the longest time in microseconds at each SIGTERM; SIGINT ends it.
// flags: -pthread -w
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENDLESS(name, call, ...)                                   \
    static void *name(void *_) {                                   \
        __VA_ARGS__;                                               \
        for (;;) {                                                 \
            errno = 0;                                             \
            long result = (call);                                  \
            printf("%s returned %ld (%d)\n", #name, result, errno); \
            fflush(stdout);                                        \
        }                                                          \
        return _;                                                  \
    }

static int pp(int *ends) { return pipe(ends) == 0 ? ends[0] : -1; }
static int so(void) {
    int ends[2];
    struct timeval timeout = {100000, 0};
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return ends[0];
}

// clang-format off
ENDLESS(epoll,epoll_wait(e,&v,1,-1),int e=epoll_create1(0);struct epoll_event v)
ENDLESS(epollto,epoll_wait(e,&v,1,10000000),int e=epoll_create1(0);struct epoll_event v)
ENDLESS(polls,poll(&f,1,-1),int p[2];struct pollfd f={pp(p),POLLIN})
ENDLESS(pollto,poll(&f,1,10000000),int p[2];struct pollfd f={pp(p),POLLIN})
ENDLESS(ppolls,ppoll(&f,1,&ts,0),int p[2];struct pollfd f={pp(p),POLLIN};struct timespec ts={100000,0})
ENDLESS(selects,select(p[0]+1,&s,0,0,0),int p[2];fd_set s;FD_ZERO(&s);FD_SET(pp(p),&s);)
ENDLESS(reads,read(p[0],&b,1),int p[2];char b;pp(p))
ENDLESS(recvto,recv(s,&b,1,0),int s=so();char b)
ENDLESS(readto,read(s,&b,1),int s=so();char b)
ENDLESS(ino,read(i,b,999),int i=inotify_init();char b[999])
ENDLESS(sleeper,nanosleep(&ts,0),struct timespec ts={100000,0})
ENDLESS(semops,semop(s,&o,1),int s=semget(IPC_PRIVATE,1,0600);struct sembuf o={0,-1,0})
ENDLESS(semto,semtimedop(s,&o,1,&ts),int s=semget(IPC_PRIVATE,1,0600);struct sembuf o={0,-1,0};struct timespec ts={100000,0})
ENDLESS(sigt,sigtimedwait(&s,0,&ts),sigset_t s;sigemptyset(&s);sigaddset(&s,SIGUSR2);pthread_sigmask(SIG_BLOCK,&s,0);struct timespec ts={100000,0})
ENDLESS(sigw,sigwaitinfo(&s,0),sigset_t s;sigemptyset(&s);sigaddset(&s,SIGUSR2);pthread_sigmask(SIG_BLOCK,&s,0))
ENDLESS(msgr,msgrcv(q,&m,9,0,0),int q=msgget(IPC_PRIVATE,0600);struct{long t;char b[9];}m)
ENDLESS(sem,sem_wait(&s),sem_t s;sem_init(&s,0,0))
ENDLESS(semtw,sem_timedwait(&s,&ts),sem_t s;sem_init(&s,0,0);struct timespec ts;clock_gettime(CLOCK_REALTIME,&ts);ts.tv_sec+=100000)
ENDLESS(waits,waitpid(c,0,0),pid_t c=fork();if(!c){pause();_exit(0);})
ENDLESS(pauses,pause(),)
ENDLESS(sigsus,sigsuspend(&s),sigset_t s;sigemptyset(&s))
// clang-format on

static long microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static volatile sig_atomic_t asked;
static void ask(int signal) { (void)signal; asked = 1; }

int main(void) {
    void *(*all[])(void *) = {epoll, epollto, polls, pollto, ppolls, selects, reads, recvto, readto, ino, sleeper, semops, semto, sigt, sigw, msgr, sem, semtw, waits, pauses, sigsus};
    signal(SIGTERM, ask);
    sigset_t not_in_threads;
    sigemptyset(&not_in_threads);
    sigaddset(&not_in_threads, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &not_in_threads, NULL);
    for (unsigned index = 0; index < sizeof all / sizeof *all; index++) {
        pthread_t thread;
        pthread_create(&thread, NULL, all[index], NULL);
    }
    pthread_sigmask(SIG_UNBLOCK, &not_in_threads, NULL);
    puts("ready");
    fflush(stdout);
    long before = microseconds(), longest = 0;
    for (;;) {
        long now = microseconds();
        if (now - before > longest) longest = now - before;
        before = now;
        if (asked) {
            asked = 0;
            printf("longest %ld\n", longest);
            fflush(stdout);
        }
    }
}
