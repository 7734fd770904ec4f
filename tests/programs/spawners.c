/* spawners PROGRAM: eight threads start PROGRAM 25 times each, in all ways at once, while two others set SIGPIPE back and
   forth as libcurl does. Prints every child's line. */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *program;
static atomic_bool over;

static void *spawn(void *number) {
    char *arguments[] = {(char *)program, NULL};
    for (long i = 0; i < 25; i++) {
        pid_t child = 0;
        switch ((i + (long)number) % 4) {
        case 0:
            if ((child = fork()) == 0) {
                execv(program, arguments);
                _exit(127);
            }
            break;
        case 1:
            if ((child = vfork()) == 0) {
                execve(program, arguments, environ);
                _exit(127);
            }
            break;
        case 2:
            posix_spawn(&child, program, NULL, NULL, arguments, environ);
            break;
        case 3:
            if (system(program) != 0)
                abort();
        }
        if (child)
            waitpid(child, NULL, 0);
    }
    return NULL;
}

static void *curl(void *unused) {
    (void)unused;
    while (!over) {
        struct sigaction old, new;
        sigaction(SIGPIPE, NULL, &old);
        new = old;
        new.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &new, NULL);
        sigaction(SIGPIPE, &old, NULL);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[8], curls[2];
    program = argv[1];
    for (int i = 0; argc > 2 && i < 2; i++)
        pthread_create(&curls[i], NULL, curl, NULL);
    for (long i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, spawn, (void *)i);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    over = 1;
    for (int i = 0; argc > 2 && i < 2; i++)
        pthread_join(curls[i], NULL);
    return 0;
}
