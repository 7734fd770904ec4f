//! System calls: as functions with libc's names, as one function for all calls, and the numbers that differ by
//! processor.
//!
//! The macros take as arguments the functions and statics outside of `arch` that they use, since `arch` depends on no
//! other module.

use core::arch::asm;

use libc::c_long;

/// Defines system calls as functions with libc's names, which return as libc's do: -1 with errno set for an error.
/// `failed` is the function that sees to that. The kernel returns errors as -4095 to -1 (MAX_ERRNO, linux/err.h).
/// `binding` is the assembler's directive, `.globl` or `.weak`.
macro_rules! system_calls {
    ($failed:path, $binding:literal: $($name:literal => $number:ident),* $(,)?) => {
        $(
            ::core::arch::global_asm!(
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
                number = const ::libc::$number,
                failed = sym $failed,
            );
        )*
    };
}
pub(crate) use system_calls;

/// Defines the calls that take paths, as `checked_system_calls` does.
macro_rules! path_calls {
    ($failed:path, $forbidden:path) => {
        $crate::arch::checked_system_calls! { $failed, $forbidden, ".globl":
            "open64" => SYS_open,
            "readlink" => SYS_readlink,
            "stat64" => SYS_stat,
        }
    };
}
pub(crate) use path_calls;

/// Defines system calls that are made while a report is written. `forbidden` is a set of bits by call number: where the
/// call's bit is set, a seccomp filter forbids the call, and the function fails with ENOSYS without making it.
macro_rules! checked_system_calls {
    ($failed:path, $forbidden:path, $binding:literal: $($name:literal => $number:ident),* $(,)?) => {
        $(
            ::core::arch::global_asm!(
                concat!(".hidden ", $name),
                concat!($binding, " ", $name),
                concat!(".type ", $name, ", @function"),
                concat!($name, ":"),
                "bt dword ptr [rip + {forbidden} + {word}], {bit}",
                "mov r10, rcx",
                "mov eax, {absent}",
                "jc {failed}",
                "mov eax, {number}",
                "syscall",
                "cmp rax, -4095",
                "jae {failed}",
                "ret",
                concat!(".size ", $name, ", . - ", $name),
                number = const ::libc::$number,
                word = const ::libc::$number / 32 * 4,
                bit = const ::libc::$number % 32,
                absent = const -::libc::ENOSYS,
                forbidden = sym $forbidden,
                failed = sym $failed,
            );
        )*
    };
}
pub(crate) use checked_system_calls;

/// Body of the function, with the signature of syscall(2), that makes those of our own system calls which have no
/// function of their own. Where the call's bit in `forbidden` is set, it fails with ENOSYS without making the call.
macro_rules! own_call_function {
    ($forbidden:path, $failed:path) => {
        ::core::arch::naked_asm!(
            ".hidden nosigpipe_own_call",
            "lea r11, [rip + {forbidden}]",
            "mov r10d, edi",
            "bt dword ptr [r11], r10d",
            "mov eax, {absent}",
            "jc {failed}",
            "mov eax, edi",
            "mov rdi, rsi",
            "mov rsi, rdx",
            "mov rdx, rcx",
            "mov r10, r8",
            "mov r8, r9",
            "mov r9, [rsp + 8]",
            "syscall",
            "cmp rax, -4095",
            "jae {failed}",
            "ret",
            absent = const -::libc::ENOSYS,
            forbidden = sym $forbidden,
            failed = sym $failed,
        )
    };
}
pub(crate) use own_call_function;

/// Body of the function that a failed system call jumps to, with the kernel's result still in its register: calls
/// `fail` with the error's number.
macro_rules! failed {
    ($fail:path) => {
        ::core::arch::naked_asm!("mov edi, eax", "neg edi", "jmp {fail}", fail = sym $fail)
    };
}
pub(crate) use failed;

/// Makes a system call and returns what the kernel returns: -4095 to -1 for an error.
///
/// # Safety
/// What the call demands.
pub unsafe fn system_call(number: c_long, arguments: [c_long; 6]) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result: c_long;
    // SAFETY: the caller promises what the call demands. The `syscall` instruction changes rcx and r11, the kernel rax,
    // and nothing else.
    unsafe {
        asm!("syscall", inlateout("rax") number => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _);
    }
    result
}

/// AUDIT_ARCH_X86_64, by which seccomp filters tell processors apart (linux/audit.h).
pub const AUDIT_ARCH: u32 = 0xc000_003e;
/// Number of the system call that [`poll`] makes.
pub const POLL: c_long = libc::SYS_poll;
/// Number of the system call that [`open`] makes.
pub const OPEN: c_long = libc::SYS_open;
/// Number of the system call that stat(2) makes.
pub const STAT: c_long = libc::SYS_stat;
/// Number of the system call that readlink(2) makes.
pub const READLINK: c_long = libc::SYS_readlink;
/// Number of the system call that tells the address of the thread's control block.
pub const THREAD_POINTER: c_long = libc::SYS_arch_prctl;

/// poll(2). Not by libc's function, which is a cancellation point.
pub fn poll(entries: &mut [libc::pollfd], milliseconds: libc::c_int) -> c_long {
    // SAFETY: the entries are a slice that is writable, and its length is passed on.
    unsafe { libc::syscall(libc::SYS_poll, entries.as_mut_ptr(), entries.len(), milliseconds) }
}

/// open(2)
pub fn open(path: &core::ffi::CStr, flags: libc::c_int) -> libc::c_int {
    // SAFETY: a CStr ends in a zero byte, as the kernel demands of a path.
    unsafe { libc::syscall(libc::SYS_open, path.as_ptr(), flags) as libc::c_int }
}
