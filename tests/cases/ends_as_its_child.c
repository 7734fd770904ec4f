// Wrappers raise the signal that has killed their child, and touch no core file settings, as strace(1) does. They have not crashed.
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    const char *how = arguments[1];
    pid_t child = fork();
    if (child == 0) {
        // By kill -9 of its own report, so to say: only the wrapper is looked at.
        close(2);
        struct sigaction action = {.sa_handler = SIG_DFL};
        sigaction(SIGSEGV, &action, 0);
        raise(SIGSEGV);
    }
    int status = 0;
    siginfo_t info;
    if (!strcmp(how, "wait")) wait(&status);
    if (!strcmp(how, "waitpid")) waitpid(child, &status, 0);
    if (!strcmp(how, "wait3")) wait3(&status, 0, 0);
    if (!strcmp(how, "wait4")) wait4(child, &status, 0, 0);
    if (!strcmp(how, "waitid")) waitid(P_ALL, 0, &info, WEXITED), status = info.si_status;
    signal(status & 0x7f, SIG_DFL);
    kill(getpid(), status & 0x7f);
    return 1;
}
