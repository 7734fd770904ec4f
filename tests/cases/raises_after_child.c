// A supervisor whose child has died of SIGSEGV long ago, and another has ended well since, raises SIGSEGV itself: that is its own end,
// and it is reported.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) static void gives_up(void) {
    raise(SIGSEGV);
    __asm__ volatile("");
}

int main(void) {
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            if (i == 1) _exit(0);
            close(2);
            raise(SIGSEGV);
        }
        wait(0);
        int status;
        waitpid(-1, &status, WNOHANG);
    }
    gives_up();
    return 1;
}
