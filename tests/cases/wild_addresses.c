/* Addresses where nothing is, given to functions that only hand them to the kernel: it answers EFAULT, or finds another
 * error first. Each call in a child of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOWHERE ((void *)16)
#define TRY(call)                                                          \
    do {                                                                   \
        fflush(stdout);                                                    \
        if (fork() == 0) {                                                 \
            errno = 0;                                                     \
            long result = (call);                                          \
            printf("%s: %ld, %s\n", #call, result, strerror(errno));       \
            fflush(stdout);                                                \
            _exit(0);                                                      \
        }                                                                  \
        int status;                                                        \
        wait(&status);                                                     \
        if (status)                                                        \
            printf("%s: ended by signal %d\n", #call, WTERMSIG(status));   \
    } while (0)

extern char **environ;

int main(void)
{
    char *arguments[] = {"true", NULL};
    char *preload = "LD_PRELOAD=";
    /* The array ends at the end of what is mapped, without a null pointer. */
    long page = sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(memory + page, page);
    char **unended = (char **)(memory + page) - 1;
    *unended = preload;
    char *wild_string[] = {preload, NOWHERE, NULL};
    /* A string that ends with what is mapped is one. */
    char *last = strcpy(memory + page - sizeof(char *) - 4, "A=1");
    char *good[] = {preload, last, NULL};
    int socket_pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, socket_pair);
    int program = open("/bin/true", O_RDONLY);
    struct sigaction action = {0};
    stack_t stack = {.ss_flags = SS_DISABLE};
    pid_t child;

    TRY(execve("/bin/true", arguments, NOWHERE));
    TRY(execve("/bin/true", arguments, unended));
    TRY(execve("/bin/true", arguments, wild_string));
    TRY(execve("/bin/true", arguments, good));
    TRY(execve("/does/not/exist", arguments, NOWHERE));
    TRY(execve(NOWHERE, arguments, environ));
    TRY(execve("/bin/true", NOWHERE, environ));
    TRY(execvpe("true", arguments, NOWHERE));
    TRY(execle("/bin/true", "true", NULL, NOWHERE));
    TRY(fexecve(program, arguments, NOWHERE));
    TRY(syscall(SYS_execveat, program, "", arguments, NOWHERE, AT_EMPTY_PATH));
    TRY(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, NOWHERE));
    TRY(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, wild_string));
    TRY((environ = NOWHERE, execv("/bin/true", arguments)));

    TRY(sigaltstack(NOWHERE, NULL));
    TRY(sigaltstack(NULL, NOWHERE));
    TRY(sigaltstack(&stack, NOWHERE));
    TRY(syscall(SYS_sigaltstack, NULL, NOWHERE));
    TRY(sigaction(SIGKILL, &action, NULL));

    TRY(send(socket_pair[0], NOWHERE, 5, 0));
    TRY(sendto(socket_pair[0], "x", 1, 0, NOWHERE, 16));
    TRY(sendmsg(socket_pair[0], NOWHERE, 0));
    TRY(sendmmsg(socket_pair[0], NOWHERE, 1, 0));
    TRY(socketpair(AF_UNIX, SOCK_STREAM, 0, NOWHERE));
    TRY(accept(socket_pair[0], NOWHERE, NOWHERE));
    TRY(waitpid(-1, NOWHERE, 0));
    return 0;
}
