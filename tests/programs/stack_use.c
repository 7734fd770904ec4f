/* Prints how many bytes of stack a SIGPIPE takes, the kernel's signal frame included: run bare, with a handler that does
   nothing, it is the frame alone. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned char stack[1 << 16];
static void nothing(int signum) { (void)signum; }

int main(int argc, char **argv) {
    int pair[2];
    (void)argv;
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    memset(stack, 0xa5, sizeof stack);
    if (argc > 1)
        sigaction(SIGPIPE, &(struct sigaction){.sa_handler = nothing, .sa_flags = SA_ONSTACK}, NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 1;
    close(pair[1]);
    if (write(pair[0], "x", 1) != -1 || errno != EPIPE)
        return 1;
    size_t untouched = 0;
    while (untouched < sizeof stack && stack[untouched] == 0xa5)
        untouched++;
    printf("%zu\n", sizeof stack - untouched);
    return 0;
}
