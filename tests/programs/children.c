/* children PROGRAM HOW DISPOSITION [CHILD-DISPOSITION]: starts PROGRAM in one of the ways that libc has, and then prints what SIGPIPE
   is in this process.

   DISPOSITION is what this process does about SIGPIPE first, CHILD-DISPOSITION what the child does between fork and exec: nothing (-),
   default, ignore, handler, curl (saves, ignores, restores), signal-curl (the same with signal). With
   TEST_STRIP in the environment, the child's environment has no LD_PRELOAD. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wordexp.h>

extern char **environ;
static void handler(int signum) { (void)signum; }

static void set_disposition(const char *what) {
    if (strcmp(what, "default") == 0)
        signal(SIGPIPE, SIG_DFL);
    else if (strcmp(what, "ignore") == 0)
        signal(SIGPIPE, SIG_IGN);
    else if (strcmp(what, "handler") == 0)
        sigaction(SIGPIPE, &(struct sigaction){.sa_handler = handler}, NULL);
    else if (strcmp(what, "curl") == 0) {
        struct sigaction old, new;
        sigaction(SIGPIPE, NULL, &old);
        new = old;
        new.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &new, NULL);
        sigaction(SIGPIPE, &old, NULL);
    } else if (strcmp(what, "signal-curl") == 0) {
        void (*old)(int) = signal(SIGPIPE, handler);
        signal(SIGPIPE, old);
    }
}

static const char *program, *child_disposition = "-";

static void exec(const char *how) {
    char *arguments[] = {(char *)program, NULL};
    if (strcmp(how, "execve") == 0)
        execve(program, arguments, environ);
    else if (strcmp(how, "execv") == 0)
        execv(program, arguments);
    else if (strcmp(how, "execvp") == 0)
        execvp(program, arguments);
    else if (strcmp(how, "execvpe") == 0)
        execvpe(program, arguments, environ);
    else if (strcmp(how, "execl") == 0)
        execl(program, program, "1", "2", "3", "4", "5", "6", "7", "8", "9", (char *)NULL);
    else if (strcmp(how, "execlp") == 0)
        execlp(program, program, (char *)NULL);
    else if (strcmp(how, "execle") == 0)
        execle(program, program, "1", "2", "3", "4", "5", "6", (char *)NULL, environ);
    else if (strcmp(how, "fexecve") == 0)
        fexecve(open(program, O_RDONLY), arguments, environ);
    else if (strcmp(how, "execveat") == 0)
        execveat(AT_FDCWD, program, arguments, environ, 0);
    else
        fprintf(stderr, "children: no way %s\n", how);
    _exit(127);
}

static int cloned(void *how) {
    set_disposition(child_disposition);
    exec(how);
    return 127;
}

static void start(const char *how) {
    int status = 0;
    pid_t child;
    char *arguments[] = {(char *)program, NULL};
    if (strncmp(how, "fork-", 5) == 0 || strncmp(how, "_Fork-", 6) == 0) {
        child = how[0] == 'f' ? fork() : _Fork();
        if (child == 0) {
            set_disposition(child_disposition);
            exec(strchr(how, '-') + 1);
        }
        waitpid(child, &status, 0);
    } else if (strncmp(how, "vfork-", 6) == 0) {
        child = vfork();
        if (child == 0) {
            set_disposition(child_disposition);
            exec(how + 6);
        }
        waitpid(child, &status, 0);
    } else if (strncmp(how, "clone-", 6) == 0) {
        char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        child = clone(cloned, stack + 65536, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)(how + 6));
        waitpid(child, &status, 0);
    } else if (strncmp(how, "failed-", 7) == 0) {
        /* An exec that fails leaves everything as it was. */
        const char *real = program;
        program = "/nonexistent";
        child = vfork();
        if (child == 0) {
            set_disposition(child_disposition);
            exec("execve");
        }
        waitpid(child, &status, 0);
        execv(program, arguments);
        program = real;
        status = 0;
        start(how + 7);
    } else if (strcmp(how, "posix_spawn") == 0) {
        posix_spawn(&child, program, NULL, NULL, arguments, environ);
        waitpid(child, &status, 0);
    } else if (strcmp(how, "posix_spawnp") == 0) {
        posix_spawnp(&child, program, NULL, NULL, arguments, environ);
        waitpid(child, &status, 0);
    } else if (strcmp(how, "posix_spawn-default") == 0) {
        posix_spawnattr_t attributes;
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setsigdefault(&attributes, &set);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        posix_spawn(&child, program, NULL, &attributes, arguments, environ);
        waitpid(child, &status, 0);
    } else if (strcmp(how, "system") == 0) {
        status = system(program);
    } else if (strcmp(how, "popen") == 0) {
        char line[200];
        FILE *file = popen(program, "r");
        while (fgets(line, sizeof line, file))
            fputs(line, stdout);
        status = pclose(file);
    } else if (strcmp(how, "wordexp") == 0) {
        char command[4200];
        wordexp_t words;
        snprintf(command, sizeof command, "$(%s)", program);
        wordexp(command, &words, 0);
        for (size_t i = 0; i < words.we_wordc; i++)
            printf("%s%c", words.we_wordv[i], i + 1 < words.we_wordc ? ' ' : '\n');
    } else
        exec(how);
    if (status)
        printf("status %d\n", status);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IONBF, 0);
    program = argv[1];
    if (argc > 4)
        child_disposition = argv[4];
    if (getenv("TEST_STRIP"))
        unsetenv("LD_PRELOAD");
    set_disposition(argv[3]);
    start(argv[2]);
    struct sigaction action;
    sigaction(SIGPIPE, NULL, &action);
    printf("parent believes %s\n", action.sa_handler == SIG_DFL   ? "default"
                                   : action.sa_handler == SIG_IGN ? "ignored"
                                                                  : "handler");
    return 0;
}
