// A server whose workers crash: each one's handler goes back to the default action and sends the signal again, which comes when the
// handler has returned. The second worker has inherited that the server has seen the first one's end; and at last the server
// itself is sent the signal. None of them ends "as its child did".
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void give_up(int number) {
    signal(number, SIG_DFL);
    kill(getpid(), number);
}

static void worker(const char *name) {
    int ready[2], status;
    pipe(ready);
    pid_t child = fork();
    if (child == 0) {
        write(ready[1], name, 1);
        for (;;) pause();
    }
    char byte;
    read(ready[0], &byte, 1);
    kill(child, SIGSEGV);
    waitpid(child, &status, 0);
    printf("%s: signal %d\n", name, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    fflush(stdout);
}

int main(void) {
    struct sigaction action = {.sa_handler = give_up, .sa_flags = SA_RESETHAND};
    sigaction(SIGSEGV, &action, 0);
    worker("first");
    worker("second");
    kill(getpid(), SIGSEGV);
    for (;;) pause();
}
