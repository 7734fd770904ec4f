/* A library to be preloaded: at SIGUSR1 the program's SIGPIPE is what a shell gives it, as some plugin or library may
   have it long after the server has ignored the signal. */
// flags: -shared -fPIC
#include <signal.h>

static void put_back(int unused) {
    (void)unused;
    signal(SIGPIPE, SIG_DFL);
}

__attribute__((constructor)) static void start(void) {
    signal(SIGUSR1, put_back);
}
