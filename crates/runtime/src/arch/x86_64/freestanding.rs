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
    "__dso_handle: .quad __dso_handle",
    ".popsection",
);

// libc_nonshared.a has it, too. But the linker would put that one, and its jump through the PLT, far from all other
// code that start-up runs: 64 kB more in memory, since the kernel maps sixteen pages around each that is touched.
global_asm!(
    ".hidden atexit",
    ".globl atexit",
    ".type atexit, @function",
    "atexit:",
    "xor esi, esi",
    "lea rdx, [rip + __dso_handle]",
    "jmp [rip + __cxa_atexit@GOTPCREL]",
    ".size atexit, . - atexit",
);

// Memory and strings: what the compiler calls. They are small rather than fast, since little is copied.
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, @function",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "shr rcx, 3",
    "rep movsq",
    "mov ecx, edx",
    "and ecx, 7",
    "rep movsb",
    "ret",
    ".size memcpy, . - memcpy",
    //
    ".hidden memmove",
    ".globl memmove",
    ".type memmove, @function",
    "memmove:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "mov r8, rdi",
    "sub r8, rsi",
    "cmp r8, rdx",
    "jb 1f",
    "rep movsb",
    "ret",
    "1:", // the target starts inside the source: from the end
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret",
    ".size memmove, . - memmove",
    //
    ".hidden memset",
    ".globl memset",
    ".type memset, @function",
    "memset:",
    "mov r8, rdi",
    "movzx esi, sil",
    "movabs rax, 0x0101010101010101",
    "imul rax, rsi",
    "mov rcx, rdx",
    "shr rcx, 3",
    "rep stosq",
    "mov ecx, edx",
    "and ecx, 7",
    "rep stosb",
    "mov rax, r8",
    "ret",
    ".size memset, . - memset",
    //
    ".hidden memcmp",
    ".globl memcmp",
    ".type memcmp, @function",
    ".hidden bcmp",
    ".globl bcmp",
    ".type bcmp, @function",
    "memcmp:",
    "bcmp:",
    "xor eax, eax",
    "xor ecx, ecx",
    "1:",
    "cmp rcx, rdx",
    "je 2f",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx r8d, byte ptr [rsi + rcx]",
    "inc rcx",
    "sub eax, r8d",
    "je 1b",
    "2:",
    "ret",
    ".size memcmp, . - memcmp",
    //
    ".hidden strlen",
    ".globl strlen",
    ".type strlen, @function",
    "strlen:",
    "mov rax, -1",
    "1:",
    "inc rax",
    "cmp byte ptr [rdi + rax], 0",
    "jne 1b",
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
                concat!(".type ", $name, ", @function"),
                concat!($name, ":"),
            )*
            "xor eax, eax",
            "ret",
        );
    };
}
