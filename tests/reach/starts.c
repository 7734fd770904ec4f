/* starts PROGRAM: starts it in every way that all libcs have; it says itself what it finds. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv) {
    char *program = argv[1], *arguments[] = {program, NULL}, byte[64];
    int status = 0, all = argc < 2;
    pid_t child = fork();
    if (child == 0)
        execv(program, arguments), _exit(127);
    waitpid(child, &status, 0), all |= status;
    child = vfork();
    if (child == 0)
        execve(program, arguments, environ), _exit(127);
    waitpid(child, &status, 0), all |= status;
    if (posix_spawn(&child, program, NULL, NULL, arguments, environ))
        return 2;
    waitpid(child, &status, 0), all |= status;
    if (posix_spawnp(&child, program, NULL, NULL, arguments, environ))
        return 2;
    waitpid(child, &status, 0), all |= status;
    all |= system(program);
    FILE *stream = popen(program, "r");
    while (stream && fgets(byte, sizeof byte, stream))
        fputs(byte, stdout), fflush(stdout);
    all |= stream ? pclose(stream) : 2;
    return all != 0;
}
