// sources: zoo.h
/* Sends itself a signal, by the ways that there are. */
#include "zoo.h"

int fail(int depth) {
    int signal = atoi(strchr(way, ':') + 1);
    will_crash_at(NULL);
    if (strncmp(way, "raise", 5) == 0)
        sink = raise(signal); /* CRASH raise */
    else if (strncmp(way, "kill", 4) == 0)
        sink = kill(getpid(), signal); /* CRASH kill */
    else
        sink = sigqueue(getpid(), signal, (union sigval){.sival_int = 42}); /* CRASH queue */
    return depth;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    sink = serve(0); /* CALL */
    return 0;
}
