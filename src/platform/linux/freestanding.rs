//! The functions of libc that this library and the Rust standard library in it call, bound to ourselves.
//!
//! They are hidden: nobody else sees them. Three things are won. Each name that ld.so does not have to look up saves
//! about 800 instructions in every process start, and the standard library alone, with a panic handler that can print
//! backtraces, wants forty. Another preload can't put its own `read` or `malloc` under our signal handlers. And the
//! snapshot of a crashed process runs on nothing that the crash can have damaged.

use core::arch::global_asm;

/// System calls under their libc names, with libc's way to return errors.
macro_rules! system_calls {
    ($binding:literal: $($name:literal => $number:ident),* $(,)?) => {
        $(
            global_asm!(
                concat!(".hidden ", $name),
                concat!($binding, " ", $name),
                concat!(".type ", $name, ", @function"),
                concat!($name, ":"),
                "mov r10, rcx",
                "mov eax, {number}",
                "syscall",
                "cmp rax, -4095",
                "jae {failed}",
                "ret",
                concat!(".size ", $name, ", . - ", $name),
                number = const libc::$number,
                failed = sym failed,
            );
        )*
    };
}

system_calls! { ".globl":
    "clock_gettime" => SYS_clock_gettime,
    "close" => SYS_close,
    "fcntl" => SYS_fcntl,
    "fstat" => SYS_fstat,
    "fstat64" => SYS_fstat,
    "getpid" => SYS_getpid,
    "getpeername" => SYS_getpeername,
    "getsockname" => SYS_getsockname,
    "getsockopt" => SYS_getsockopt,
    "gettid" => SYS_gettid,
    "lseek64" => SYS_lseek,
    "mmap" => SYS_mmap,
    "mmap64" => SYS_mmap,
    "mprotect" => SYS_mprotect,
    "munmap" => SYS_munmap,
    "open64" => SYS_open,
    "process_vm_readv" => SYS_process_vm_readv,
    "read" => SYS_read,
    "readlink" => SYS_readlink,
    "stat64" => SYS_stat,
    "write" => SYS_write,
    "writev" => SYS_writev,
}

// Declared weak by the standard library, for older versions of libc.
system_calls! { ".weak":
    "statx" => SYS_statx,
}

/// Where a failed system call jumps to, with the kernel's answer in rax.
#[unsafe(naked)]
pub(super) extern "C" fn failed() -> isize {
    core::arch::naked_asm!("mov edi, eax", "neg edi", "jmp {fail}", fail = sym fail)
}

extern "C" fn fail(errno: libc::c_int) -> isize {
    super::set_errno(errno);
    -1
}

/// A system call for which `syscall`, by which the program's come, too, would do more than that.
///
/// # Safety
/// That of the call.
pub unsafe fn system_call(number: libc::c_long, arguments: [libc::c_long; 6]) -> libc::c_long {
    let [a, b, c, d, e, f] = arguments;
    let result: libc::c_long;
    // SAFETY: as promised; the kernel changes these registers and no other.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _);
    }
    if result as usize > -4096isize as usize { fail(-result as libc::c_int) as libc::c_long } else { result }
}

// What crtbeginS.o would define: by this address libc knows whose atexit and atfork handlers are whose.
global_asm!(
    ".pushsection .data.rel.ro, \"aw\"",
    ".hidden __dso_handle",
    ".globl __dso_handle",
    ".balign 8",
    "__dso_handle: .quad __dso_handle",
    ".popsection",
);

// libc's static half has these two, which the linker would put far from everything else that start-up runs, as it would
// their jumps through the PLT: 64 kB more in memory, since the kernel maps sixteen pages around each that is touched.
global_asm!(
    ".hidden pthread_atfork",
    ".globl pthread_atfork",
    ".type pthread_atfork, @function",
    "pthread_atfork:",
    "lea rcx, [rip + __dso_handle]",
    "jmp [rip + __register_atfork@GOTPCREL]",
    ".size pthread_atfork, . - pthread_atfork",
    //
    ".hidden atexit",
    ".globl atexit",
    ".type atexit, @function",
    "atexit:",
    "xor esi, esi",
    "lea rdx, [rip + __dso_handle]",
    "jmp [rip + __cxa_atexit@GOTPCREL]",
    ".size atexit, . - atexit",
);

// Memory and strings: what the compiler calls. Nothing here is in a hurry.
global_asm!(
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, @function",
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
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
    "mov eax, esi",
    "mov rcx, rdx",
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

// What the standard library's panic handler would like to have for a backtrace, and the unwinder that it would call.
// Nothing here panics; if something did, its message is all that could be told.
macro_rules! absent {
    ($($name:literal)*) => {
        global_asm!(
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

absent! {
    "dl_iterate_phdr"
    "getcwd"
    "getenv"
    "realpath"
    "_Unwind_Backtrace"
    "_Unwind_DeleteException"
    "_Unwind_FindEnclosingFunction"
    "_Unwind_GetCFA"
    "_Unwind_GetDataRelBase"
    "_Unwind_GetIP"
    "_Unwind_GetIPInfo"
    "_Unwind_GetLanguageSpecificData"
    "_Unwind_GetRegionStart"
    "_Unwind_GetTextRelBase"
    "_Unwind_RaiseException"
    "_Unwind_Resume"
    "_Unwind_SetGR"
    "_Unwind_SetIP"
}
