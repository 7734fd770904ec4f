// All signals are blocked: what is read back, what is inherited, and what becomes of signals that are sent meanwhile.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

extern char **environ;

static void show(const char *what, const sigset_t *set) {
    printf("%s:", what);
    for (int number = 1; number < 65; number++)
        if (sigismember(set, number) == 0) printf(" %d", number);
    printf(" are not in it\n");
    fflush(stdout);
}

static void show_mask(const char *what) {
    sigset_t now;
    memset(&now, 0, sizeof now);
    int error = pthread_sigmask(SIG_BLOCK, 0, &now);
    if (error) printf("error %d ", error);
    show(what, &now);
}

static void change(int how, const char *name, int number) {
    sigset_t set, before;
    if (number) {
        sigemptyset(&set);
        sigaddset(&set, number);
    } else {
        sigfillset(&set);
    }
    errno = 77;
    int result = sigprocmask(how, &set, &before);
    printf("%s %d: %d, errno %d\n", name, number, result, errno);
    show("  before", &before);
    show_mask("  now");
}
#define CHANGE(how, number) change(how, #how, number)

static void block_all(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, 0);
}

static void changes(void) {
    CHANGE(SIG_BLOCK, 0);
    CHANGE(SIG_BLOCK, 0);
    CHANGE(SIG_UNBLOCK, SIGUSR1);
    CHANGE(SIG_UNBLOCK, SIGSEGV);
    CHANGE(SIG_BLOCK, SIGSEGV);
    CHANGE(SIG_UNBLOCK, SIGSYS);
    CHANGE(SIG_BLOCK, SIGSYS);
    CHANGE(SIG_BLOCK, SIGBUS);
    CHANGE(SIG_UNBLOCK, SIGRTMAX);
    CHANGE(SIG_BLOCK, SIGRTMAX);
    CHANGE(SIG_UNBLOCK, SIGTRAP);
    CHANGE(SIG_BLOCK, 0);
    CHANGE(SIG_SETMASK, SIGFPE);
    CHANGE(SIG_BLOCK, 0);
    CHANGE(SIG_UNBLOCK, 0);
    CHANGE(SIG_SETMASK, 0);
    CHANGE(17, 0);
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGHUP);
    // One structure for both.
    sigprocmask(SIG_SETMASK, &set, &set);
    show("in place", &set);
    show_mask("now");
    // Past libc, and an address that can't be written to.
    printf("%d", sigprocmask(SIG_BLOCK, 0, (sigset_t *)16));
    printf(", errno %d\n", errno);
    int (*bsd)(int) = sigblock;
    printf("sigblock %x, siggetmask %x\n", bsd(1 << (SIGSEGV - 1) | 1 << (SIGHUP - 1)), siggetmask());
    show_mask("now");
    printf("sigsetmask %x\n", sigsetmask(1 << (SIGHUP - 1)));
    show_mask("now");
    block_all();
    printf("%d", sighold(SIGSEGV));
    show_mask(" after sighold");
    printf("%d", sigrelse(SIGBUS));
    show_mask(" after sigrelse");
    printf("%d", sighold(SIGBUS));
    show_mask(" after sighold");
    for (int i = 0; i < 4; i++) printf("%d ", sighold((int[]){0, 33, 65, SIGKILL}[i]));
    void (*was)(int) = sigset(SIGILL, SIG_HOLD);
    printf("sigset: %s\n", was == SIG_HOLD ? "was blocked" : "was not blocked");
    was = sigset(SIGILL, SIG_DFL);
    printf("sigset: %s\n", was == SIG_HOLD ? "was blocked" : "was not blocked");
    show_mask("after sigset");
    block_all();
    sigjmp_buf place;
    if (sigsetjmp(place, 1) == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, 0);
        show_mask("inside");
        siglongjmp(place, 1);
    }
    show_mask("after siglongjmp");
}

static void handler(int number, siginfo_t *info, void *context) {
    show_mask("  in the handler");
    ucontext_t *interrupted = context;
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask, &before);
    show_mask("  with the mask of what was interrupted");
}

static void actions(void) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO}, now;
    sigfillset(&action.sa_mask);
    sigaction(SIGUSR1, &action, 0);
    sigaction(SIGUSR1, 0, &now);
    show("action", &now.sa_mask);
    sigdelset(&action.sa_mask, SIGTERM);
    sigaction(SIGUSR1, &action, &now);
    show("action before", &now.sa_mask);
    sigaction(SIGUSR1, 0, &now);
    show("action", &now.sa_mask);
    raise(SIGUSR1);
    show_mask("after the handler");
    sigaction(SIGSEGV, &action, 0);
    sigaction(SIGSEGV, 0, &now);
    show("action of SIGSEGV", &now.sa_mask);
    action.sa_flags |= SA_NODEFER;
    sigaction(SIGUSR1, &action, 0);
    raise(SIGUSR1);
    raise(SIGSEGV);
    show_mask("after the handlers");
}

static void *shows(void *name) {
    show_mask(name);
    return 0;
}

static const char *show_kernels = "grep SigBlk /proc/self/status";

static void inherited(void) {
    pthread_t thread;
    int status;
    char *shell[] = {"sh", "-c", (char *)show_kernels, 0};
    block_all();
    pthread_create(&thread, 0, shows, "thread");
    pthread_join(thread, 0);
    if (fork() == 0) {
        show_mask("child");
        execv("/bin/sh", shell);
    }
    wait(&status);
    if (vfork() == 0) {
        execv("/nowhere", shell);
        execl("/bin/sh", "sh", "-c", show_kernels, (char *)0);
    }
    wait(&status);
    pid_t child;
    posix_spawn(&child, "/bin/sh", 0, 0, shell, environ);
    waitpid(child, &status, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGTERM);
    posix_spawnattr_setsigmask(&attributes, &set);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn(&child, "/bin/sh", 0, &attributes, shell, environ);
    waitpid(child, &status, 0);
    system(show_kernels);
    char line[100] = "";
    FILE *pipe = popen(show_kernels, "r");
    fputs(fgets(line, sizeof line, pipe), stdout);
    pclose(pipe);
    show_mask("after all");
    fflush(stdout);
    execv("/nowhere", shell);
    show_mask("after an exec that failed");
    fflush(stdout);
    execvp("sh", shell);
}

static int first_pending(void) {
    sigset_t set;
    sigpending(&set);
    for (int number = 1; number < 65; number++)
        if (sigismember(&set, number) == 1) return number;
    return 0;
}

static void take(const char *how, int number) {
    sigset_t set;
    sigfillset(&set);
    siginfo_t info;
    int pending = first_pending();
    struct timespec now = {0, 0};
    int taken = sigtimedwait(&set, &info, &now);
    if (pending != number || taken != number)
        printf("%d by %s: pending %d, taken %d\n", number, how, pending, taken);
    else if (info.si_pid != getpid() || number < 32 && first_pending())
        printf("%d by %s: from somebody else, or more than one\n", number, how);
    else
        printf("%d by %s: code %d, value %d\n", number, how, info.si_code, info.si_code == SI_QUEUE ? info.si_value.sival_int : 0);
}

// In a process that has one thread; what is sent to the process could be sent to another.
static void sent(void) {
    for (int number = 1; number < 65; number++) {
        if (number == SIGKILL || number == SIGSTOP || number == 32 || number == 33) continue;
        pid_t child = fork();
        if (child == 0) {
            block_all();
            kill(getpid(), number);
            take("kill", number);
            raise(number);
            take("raise", number);
            sigqueue(getpid(), number, (union sigval){.sival_int = 42});
            take("sigqueue", number);
            block_all();
            pthread_kill(pthread_self(), number);
            take("pthread_kill", number);
            int descriptor = signalfd(-1, &(sigset_t){{~0ul}}, SFD_NONBLOCK);
            kill(getpid(), number);
            struct signalfd_siginfo info;
            if (read(descriptor, &info, sizeof info) != sizeof info || (int)info.ssi_signo != number) printf("%d is not in the signalfd\n", number);
            show_mask("mask");
            fflush(stdout);
            // Now it comes.
            signal(number, SIG_DFL);
            kill(getpid(), number);
            sigset_t none;
            sigemptyset(&none);
            sigprocmask(SIG_SETMASK, &none, 0);
            _exit(0);
        }
        int status;
        waitpid(child, &status, WUNTRACED);
        if (WIFSTOPPED(status)) { kill(child, SIGKILL); waitpid(child, 0, 0); }
        printf("%d: ended by %d\n", number, WIFSTOPPED(status) ? -WSTOPSIG(status) : WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        fflush(stdout);
    }
}

static void *waits(void *unused) {
    for (int i = 0; i < 7; i++) {
        sigset_t all;
        sigfillset(&all);
        int number = 0;
        sigwait(&all, &number);
        printf("sigwait: %d\n", number);
        fflush(stdout);
    }
    return 0;
}

// The signal thread of a server: everybody else has everything blocked.
static void signal_thread(void) {
    pthread_t waiter, others[3];
    block_all();
    pthread_create(&waiter, 0, waits, 0);
    for (int i = 0; i < 3; i++) pthread_create(&others[i], 0, (void *(*)(void *))(void *)pause, 0);
    int numbers[] = {SIGTERM, SIGSEGV, SIGBUS, SIGHUP, SIGFPE, SIGILL, SIGTRAP};
    for (int i = 0; i < 7; i++) {
        kill(getpid(), numbers[i]);
        // Until it was taken: sigwait would take the lowest of two first.
        while (first_pending()) usleep(1000);
        usleep(20000);
    }
    pthread_join(waiter, 0);
    show_mask("mask");
}

int main(int count, char **arguments) {
    void (*functions[])(void) = {changes, actions, inherited, sent, signal_thread};
    const char *names[] = {"changes", "actions", "inherited", "sent", "signal-thread"};
    for (int i = 0; i < 5; i++)
        if (!strcmp(arguments[1], names[i])) functions[i]();
    return 0;
}
