// A handler calls abort on an alternate signal stack that has room for two signals' frames, and little more: as those of Rust's programs on
// a processor whose frames are large.
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static void handler(int number) {
    (void)number;
    abort();
}

__attribute__((noinline)) static int query(int *volatile row) { return *row; }

int main(void) {
    size_t page = 4096, frame = getauxval(AT_MINSIGSTKSZ);
    size_t size = 2 * (frame + 512) + 1024, whole = (size + page - 1) / page * page;
    char *memory = mmap(0, page + whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    // Below the stack is nothing that may be written.
    mprotect(memory, page, PROT_NONE);
    stack_t stack = {.ss_sp = memory + page, .ss_size = size};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    if (!frame || memory == MAP_FAILED || sigaltstack(&stack, 0) || sigaction(SIGSEGV, &action, 0)) return 1;
    return query(0);
}
