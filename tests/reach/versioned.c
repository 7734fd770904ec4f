/* versioned PROGRAM: starts it by pidfd_spawn and by pidfd_spawnp (glibc 2.39), linked with their version, and what is not there. */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

extern char **environ;
typedef int spawning(int *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[], char *const[]);
extern spawning pidfd_spawn, pidfd_spawnp;
/* Of the same version, and none of the library's. */
extern pid_t pidfd_getpid(int);

int main(int argc, char **argv) {
    spawning *calls[] = {pidfd_spawn, pidfd_spawnp};
    char *arguments[] = {argv[1], NULL};
    for (int call = 0; call < 2; call++) {
        int pidfd = -1;
        errno = 77;
        int error = calls[call](&pidfd, argv[1], NULL, NULL, arguments, environ);
        siginfo_t info = {0};
        pid_t pid = pidfd_getpid(pidfd);
        /* P_PIDFD: it is a descriptor of the child, and no pid. */
        if (error || errno != 77 || waitid(3, pidfd, &info, WEXITED) || info.si_pid != pid)
            return 1;
        /* An error is a number that is returned. */
        errno = 77;
        error = calls[call](&pidfd, "/nowhere", NULL, NULL, arguments, environ);
        printf("%d %d %d\n", info.si_status, error, errno);
    }
    return 0;
}
