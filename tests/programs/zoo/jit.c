// sources: zoo.h
/* A frame of code made at run time, which no unwind table knows: with and without a frame pointer of its own. */
#include "zoo.h"

FN static int callback(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int fail(int depth) {
#ifdef __aarch64__
    /* stp x29, x30, [sp, #-16]!; mov x29, sp; ldr x16, CALLBACK; blr x16; ldp x29, x30, [sp], #16; ret; CALLBACK */
    static const unsigned framed[] = {0xa9bf7bfd, 0x910003fd, 0x58000090, 0xd63f0200, 0xa8c17bfd, 0xd65f03c0, 0, 0};
    /* sub sp, sp, #32; str x30, [sp, #8]; ldr x16, CALLBACK; blr x16; ldr x30, [sp, #8]; add sp, sp, #32; ret; -; CALLBACK */
    static const unsigned frameless[] = {0xd10083ff, 0xf90007fe, 0x580000d0, 0xd63f0200, 0xf94007fe,
                                         0x910083ff, 0xd65f03c0, 0,          0,          0};
    const size_t callback_at = *way ? 32 : 24;
#else
    /* push rbp; mov rbp, rsp; mov rax, CALLBACK; call rax; pop rbp; ret */
    unsigned char framed[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x5d, 0xc3};
    /* sub rsp, 24; mov rax, CALLBACK; call rax; add rsp, 24; ret */
    unsigned char frameless[] = {0x48, 0x83, 0xec, 0x18, 0x48, 0xb8, 0,    0,    0,    0,    0,
                                 0,    0,    0,    0xff, 0xd0, 0x48, 0x83, 0xc4, 0x18, 0xc3};
    const size_t callback_at = 6;
#endif
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(code != MAP_FAILED, "mmap");
    int (*target)(int) = callback;
    if (*way)
        memcpy(code, frameless, sizeof frameless);
    else
        memcpy(code, framed, sizeof framed);
    memcpy(code + callback_at, &target, 8);
    __builtin___clear_cache((char *)code, (char *)code + 4096);
    sink = ((int (*)(int))(uintptr_t)code)(depth); /* CALL */
    return 1;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    sink = serve(0); /* CALL */
    return 0;
}
