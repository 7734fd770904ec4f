// A daemon becomes nobody, or of another group only, or nobody for a moment, and raises a signal by itself, without a handler: that
// is reported.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void gives_up(int number) {
    raise(number);
    __asm__ volatile("");
}

int main(int count, char **arguments) {
    if (!strcmp(arguments[1], "moment")) {
        if (seteuid(65534) || seteuid(0)) return 9;
    } else {
        if (setgid(65534)) return 9;
        if (!strcmp(arguments[1], "user") && setuid(65534)) return 9;
    }
    gives_up(SIGSEGV);
    return 0;
}
