/* Crashes on an alternate stack that outlives the process: the file given has what was used of it. With a second
   argument it has a handler of its own that ends the process, so that the file shows the kernel's signal frame alone. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 1 << 16 };
static void end(int signum) { (void)signum; _exit(0); }

int main(int argc, char **argv) {
    int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, SIZE) < 0)
        return 1;
    void *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (stack == MAP_FAILED)
        return 1;
    memset(stack, 0xa5, SIZE);
    stack_t alternate = {.ss_sp = stack, .ss_size = SIZE};
    if (sigaltstack(&alternate, NULL) < 0)
        return 1;
    if (argc > 2)
        sigaction(SIGSEGV, &(struct sigaction){.sa_handler = end, .sa_flags = SA_ONSTACK}, NULL);
    *(volatile int *)8 = 1;
    return 0;
}
