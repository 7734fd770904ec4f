// A crash, and that of a child by vfork, watched by a memory checker, which knows neither clone(2) as a report uses it nor vfork.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int *volatile nothing;

__attribute__((noinline)) static void query(void) {
    *nothing = 1;
}

int main(void) {
    int status = 0;
    pid_t child = vfork();
    if (child == 0) query();
    waitpid(child, &status, 0);
    printf("child %d\n", WTERMSIG(status));
    fflush(stdout);
    query();
    return 0;
}
