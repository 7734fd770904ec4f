/* newer PROGRAM: starts it by pidfd_spawn (glibc 2.39), if this libc has that, as programs ask that are made for older ones, too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

extern char **environ;
typedef int spawning(int *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *, char *const[], char *const[]);
extern __attribute__((weak)) spawning pidfd_spawn;

int main(int argc, char **argv) {
    spawning *found = (spawning *)dlsym(RTLD_DEFAULT, "pidfd_spawn");
    if (!found || !pidfd_spawn) {
        puts(found || pidfd_spawn ? "only one of the ways to ask finds it" : "absent");
        return 0;
    }
    char *arguments[] = {argv[1], NULL};
    int pidfd;
    if (found(&pidfd, argv[1], NULL, NULL, arguments, environ))
        return 2;
    siginfo_t info;
    if (waitid(P_ALL, 0, &info, WEXITED))
        return 3;
    return info.si_status;
}
