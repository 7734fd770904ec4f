// sources: zoo.h
/* A frame of code made at run time, which no unwind table knows: with and without a frame pointer of its own. */
#include "zoo.h"

FN static int callback(int depth) {
    will_crash_at(NULL);
    return nowhere[0] + depth; /* CRASH */
}

int fail(int depth) {
    /* push rbp; mov rbp, rsp; mov rax, CALLBACK; call rax; pop rbp; ret */
    unsigned char framed[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x5d, 0xc3};
    /* sub rsp, 24; mov rax, CALLBACK; call rax; add rsp, 24; ret */
    unsigned char frameless[] = {0x48, 0x83, 0xec, 0x18, 0x48, 0xb8, 0,    0,    0,    0,    0,
                                 0,    0,    0,    0xff, 0xd0, 0x48, 0x83, 0xc4, 0x18, 0xc3};
    unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(code != MAP_FAILED, "mmap");
    int (*target)(int) = callback;
    if (*way)
        memcpy(code, frameless, sizeof frameless);
    else
        memcpy(code, framed, sizeof framed);
    memcpy(code + 6, &target, 8);
    sink = ((int (*)(int))(uintptr_t)code)(depth); /* CALL */
    return 1;
}

int main(int count, char **arguments) {
    ARGUMENTS(count, arguments);
    sink = serve(0); /* CALL */
    return 0;
}
