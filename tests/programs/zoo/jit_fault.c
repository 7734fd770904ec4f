// sources: zoo.h
/* The fault itself is in code made at run time. */
#include "zoo.h"

int fail(int depth) {
#ifdef __aarch64__
    /* stp x29, x30, [sp, #-16]!; mov x29, sp; mov x0, #0; ldr w0, [x0]; ldp x29, x30, [sp], #16; ret */
    static const unsigned code[] = {0xa9bf7bfd, 0x910003fd, 0xd2800000, 0xb9400000, 0xa8c17bfd, 0xd65f03c0};
#else
    /* push rbp; mov rbp, rsp; xor eax, eax; mov eax, [rax] */
    unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0x31, 0xc0, 0x8b, 0x00, 0x5d, 0xc3};
#endif
    unsigned char *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(place != MAP_FAILED, "mmap");
    memcpy(place, code, sizeof code);
    __builtin___clear_cache((char *)place, (char *)place + sizeof code);
    will_crash_at(NULL);
    sink = ((int (*)(int))(uintptr_t)place)(depth); /* CRASH */
    return 1;
}

int main(void) {
    sink = serve(0); /* CALL */
    return 0;
}
