// A daemon becomes nobody, or of another group only, and raises a signal by itself, without a handler: that is reported.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void gives_up(int number) {
    raise(number);
    __asm__ volatile("");
}

int main(int count, char **arguments) {
    if (setgid(65534)) return 9;
    if (!strcmp(arguments[1], "user") && setuid(65534)) return 9;
    gives_up(SIGSEGV);
    return 0;
}
