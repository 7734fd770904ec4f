// Old and new posix_spawn and posix_spawnp: the old ones hand a file that is no program to the shell, the new ones tell that it is none.
// With -DOLD this file asks for the old ones, with -DPLUGIN it is a library that is loaded later into a program that has the new ones.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#ifdef OLD
extern int spawn(pid_t *, const char *, const void *, const void *, char *const *, char *const *);
extern int spawnp(pid_t *, const char *, const void *, const void *, char *const *, char *const *);
__asm__(".symver spawn, posix_spawn@GLIBC_2.2.5");
__asm__(".symver spawnp, posix_spawnp@GLIBC_2.2.5");
static const char *kind = "old";
#else
#define spawn posix_spawn
#define spawnp posix_spawnp
static const char *kind = "new";
#endif

int tries(void) {
    char *arguments[] = {"script", 0};
    for (int i = 0; i < 2; i++) {
        pid_t child;
        int status = -1, error = i ? spawnp(&child, "./script", 0, 0, arguments, environ) : spawn(&child, "./script", 0, 0, arguments, environ);
        if (!error) waitpid(child, &status, 0);
        printf("%s %s: %s, %d\n", kind, i ? "posix_spawnp" : "posix_spawn", error ? strerror(error) : "runs", status);
        fflush(stdout);
    }
    return 0;
}

#ifndef PLUGIN
#define TEXT(words) #words
#define STRING(words) TEXT(words)
int main(void) {
    int script = open("script", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(script, "echo the script ran\n", 20);
    close(script);
    tries();
#ifdef HOST
    void *plugin = dlopen(STRING(HOST), RTLD_NOW);
    if (!plugin) return 77;
    ((int (*)(void))dlsym(plugin, "tries"))();
    tries();
#endif
    return 0;
}
#endif
