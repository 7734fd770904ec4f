// A library that keeps a record of what sigaction(2) is called with, as libjsig, sanitizers and profilers do, preloaded behind
// the library; made of the same file. What it is told, and what it finds in the kernel, is the program's: no handler is
// ever recorded that is neither the program's nor its own. What it does with it is its own affair: SIGFPE it keeps from the kernel.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct record {
    int signal;
    void *set, *found;
};

#ifdef RECORDER

static struct record records[256];
static int count;
static struct sigaction kept;

int sigaction(int number, const struct sigaction *new, struct sigaction *old) {
    int (*next)(int, const struct sigaction *, struct sigaction *) = dlsym(RTLD_NEXT, "sigaction");
    struct sigaction found;
    if (number == SIGFPE && new) {
        if (old) *old = kept;
        kept = *new;
        return 0;
    }
    int result = next(number, new, &found);
    if (!result && old) *old = found;
    if (!result && count < 256)
        records[count++] = (struct record){number, new ? (void *)new->sa_handler : 0, (void *)found.sa_handler};
    return result;
}

int recorded(struct record **all) { return *all = records, count; }

#else

extern char **environ;
extern int recorded(struct record **);

static volatile int caught;
static void handler(int number) { caught = number; }
static void other(int number) { caught = number; }

static void must(int right, const char *what) {
    if (right) return;
    printf("not so: %s\n", what);
    fflush(stdout);
    _exit(1);
}

static void *in_force(int number) {
    struct sigaction now;
    must(!sigaction(number, 0, &now), "a question is answered");
    return now.sa_handler;
}

int main(void) {
    static const int signals[] = {SIGPIPE, SIGABRT, SIGBUS, SIGSEGV, SIGUSR1, SIGILL, SIGTRAP, SIGSYS};
    int (*records)(struct record **) = dlsym(RTLD_DEFAULT, "recorded");
    if (!records) return 77;
    for (int i = 0; i < 8; i++) {
        int number = signals[i];
        struct sigaction action = {.sa_handler = handler}, old;
        must(!sigaction(number, &action, &old), "a handler is set");
        must(old.sa_handler == SIG_DFL || number == SIGPIPE && old.sa_handler == SIG_IGN, "it was the default");
        must(in_force(number) == handler, "it is told");
        raise(number);
        must(caught == number, "it is called");
        action.sa_flags = SA_ONSTACK;
        action.sa_handler = other;
        must(!sigaction(number, &action, &old) && old.sa_handler == handler, "the one before is told");
        must(signal(number, SIG_IGN) == other, "signal tells it, too");
        must(in_force(number) == SIG_IGN, "it is ignored");
        must(!sigaction(number, &old, 0), "it is set again");
        caught = 0;
        raise(number);
        must(caught == number, "it is called again");
        must(signal(number, SIG_DFL) == handler, "the default is set");
    }
    // What the other library keeps for itself is not in force.
    struct sigaction action = {.sa_handler = handler}, old;
    must(!sigaction(SIGFPE, &action, &old) && old.sa_handler == SIG_DFL, "it takes SIGFPE's handler");
    action.sa_handler = other;
    must(!sigaction(SIGFPE, &action, &old) && old.sa_handler == handler, "and has kept it");

    pid_t child = vfork();
    if (!child) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        _exit(sigaction(SIGSEGV, &ignore, &old) || old.sa_handler != SIG_DFL || in_force(SIGSEGV) != SIG_IGN);
    }
    int status;
    must(waitpid(child, &status, 0) == child && !status, "a vforked child has its own");
    must(in_force(SIGSEGV) == SIG_DFL, "its parent has the default still");
    char *arguments[] = {"true", 0};
    must(!posix_spawnp(&child, "true", 0, 0, arguments, environ) && waitpid(child, &status, 0) == child && !status, "true runs");

    struct record *all;
    int count = records(&all), strange = 0;
    for (int i = 0; i < count; i++) {
        void *known[] = {SIG_DFL, SIG_IGN, handler, other};
        int set = 0, found = 0;
        for (int j = 0; j < 4; j++) set |= all[i].set == known[j], found |= all[i].found == known[j];
        if (set && found) continue;
        Dl_info info = {0};
        dladdr(set ? all[i].found : all[i].set, &info);
        printf("not the program's: signal %d, %s\n", all[i].signal, info.dli_fname ? info.dli_fname : "nobody's");
        strange = 1;
    }
    must(count >= 30, "it is called");
    printf("the record is the program's: %d\n", !strange);
    fflush(stdout);
    // SIGFPE's handler is not in the kernel.
    volatile int zero = 0;
    return 100 / zero;
}
#endif
