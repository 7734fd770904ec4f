//! What libc_nonshared.a (the static part of libc) and the compiler's start-up files would bring: the memory functions
//! that the compiler calls, and the address by which libc knows the library.

use core::arch::global_asm;

// crtbeginS.o would define it: by this address libc knows to which library handlers of atexit(3) and pthread_atfork(3)
// belong.
global_asm!(
    ".pushsection .data.rel.ro, \"aw\"",
    ".hidden __dso_handle",
    ".globl __dso_handle",
    ".balign 8",
    "__dso_handle: .xword __dso_handle",
    ".popsection",
);

// libc_nonshared.a has it, too. But the linker would put that one, and its jump through the PLT, far from all other
// code that start-up runs: more pages in memory.
global_asm!(
    ".hidden atexit",
    ".globl atexit",
    ".type atexit, %function",
    "atexit:",
    "mov x1, xzr",
    "adrp x2, __dso_handle",
    "add x2, x2, :lo12:__dso_handle",
    "adrp x16, :got:__cxa_atexit",
    "ldr x16, [x16, :got_lo12:__cxa_atexit]",
    "br x16",
    ".size atexit, . - atexit",
);

// Memory and strings: what the compiler calls. They are small rather than fast, since little is copied.
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, %function",
    "memcpy:",
    "mov x3, x0",
    "1:",
    "subs x2, x2, #8",
    "b.lo 2f",
    "ldr x4, [x1], #8",
    "str x4, [x3], #8",
    "b 1b",
    "2:",
    "add x2, x2, #8",
    "3:",
    "cbz x2, 4f",
    "ldrb w4, [x1], #1",
    "strb w4, [x3], #1",
    "sub x2, x2, #1",
    "b 3b",
    "4:",
    "ret",
    ".size memcpy, . - memcpy",
    //
    ".hidden memmove",
    ".globl memmove",
    ".type memmove, %function",
    "memmove:",
    "sub x3, x0, x1",
    "cmp x3, x2",
    "b.hs memcpy",
    // The target starts inside the source: from the end.
    "add x3, x0, x2",
    "add x1, x1, x2",
    "1:",
    "subs x2, x2, #8",
    "b.lo 2f",
    "ldr x4, [x1, #-8]!",
    "str x4, [x3, #-8]!",
    "b 1b",
    "2:",
    "add x2, x2, #8",
    "3:",
    "cbz x2, 4f",
    "ldrb w4, [x1, #-1]!",
    "strb w4, [x3, #-1]!",
    "sub x2, x2, #1",
    "b 3b",
    "4:",
    "ret",
    ".size memmove, . - memmove",
    //
    ".hidden memset",
    ".globl memset",
    ".type memset, %function",
    "memset:",
    "and x1, x1, #0xff",
    "mov x4, #0x0101010101010101",
    "mul x1, x1, x4",
    "mov x3, x0",
    "1:",
    "subs x2, x2, #8",
    "b.lo 2f",
    "str x1, [x3], #8",
    "b 1b",
    "2:",
    "add x2, x2, #8",
    "3:",
    "cbz x2, 4f",
    "strb w1, [x3], #1",
    "sub x2, x2, #1",
    "b 3b",
    "4:",
    "ret",
    ".size memset, . - memset",
    //
    ".hidden memcmp",
    ".globl memcmp",
    ".type memcmp, %function",
    ".hidden bcmp",
    ".globl bcmp",
    ".type bcmp, %function",
    "memcmp:",
    "bcmp:",
    "mov x3, x0",
    "mov x0, xzr",
    "1:",
    "cbz x2, 2f",
    "ldrb w4, [x3], #1",
    "ldrb w5, [x1], #1",
    "sub x2, x2, #1",
    "subs w0, w4, w5",
    "b.eq 1b",
    "2:",
    "ret",
    ".size memcmp, . - memcmp",
    //
    ".hidden strlen",
    ".globl strlen",
    ".type strlen, %function",
    "strlen:",
    "mov x1, x0",
    "1:",
    "ldrb w2, [x1], #1",
    "cbnz w2, 1b",
    "sub x0, x1, x0",
    "sub x0, x0, #1",
    "ret",
    ".size strlen, . - strlen",
);

/// Functions of these names that do nothing and return 0.
#[macro_export]
macro_rules! absent {
    ($($name:literal)*) => {
        ::core::arch::global_asm!(
            $(
                concat!(".hidden ", $name),
                concat!(".globl ", $name),
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
            )*
            "mov x0, xzr",
            "ret",
        );
    };
}
