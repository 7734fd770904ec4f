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
                concat!(".type ", $name, ", %function"),
                concat!($name, ":"),
                "mov x8, #{number}",
                "svc #0",
                "cmn x0, #4095",
                "b.hs {failed}",
                "ret",
                concat!(".size ", $name, ", . - ", $name),
                number = const ::libc::$number,
                failed = sym $failed,
            );
        )*
    };
}
pub(crate) use system_calls;

/// Defines system calls that are made while a report is written. `forbidden` is a set of bits by call number: where the
/// call's bit is set, a seccomp filter forbids the call, and the function fails with ENOSYS without making it.
///
/// With `@each`, one call whose arguments are first moved to where the kernel wants them, by instructions that may name
/// constants.
macro_rules! checked_system_calls {
    ($failed:path, $forbidden:path, $binding:literal: $($name:literal => $number:ident),* $(,)?) => {
        $( $crate::arch::checked_system_calls! { @each $failed, $forbidden, $binding, [], []: $name => $number } )*
    };
    (
        @each $failed:path, $forbidden:path, $binding:literal,
        [$($move:literal),*], [$($constant:ident = $value:ident),*]: $name:literal => $number:ident
    ) => {
        ::core::arch::global_asm!(
            concat!(".hidden ", $name),
            concat!($binding, " ", $name),
            concat!(".type ", $name, ", %function"),
            concat!($name, ":"),
            "adrp x9, {forbidden}",
            "add x9, x9, #:lo12:{forbidden}",
            "ldr w9, [x9, #{word}]",
            "tbz w9, #{bit}, 2f",
            "mov x0, #-{absent}",
            "b {failed}",
            "2:",
            $($move,)*
            "mov x8, #{number}",
            "svc #0",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            concat!(".size ", $name, ", . - ", $name),
            $($constant = const ::libc::$value,)*
            number = const ::libc::$number,
            word = const ::libc::$number / 32 * 4,
            bit = const ::libc::$number % 32,
            absent = const ::libc::ENOSYS,
            forbidden = sym $forbidden,
            failed = sym $failed,
        );
    };
}
pub(crate) use checked_system_calls;

/// Body of the function, with the signature of syscall(2), that makes those of our own system calls which have no
/// function of their own. Where the call's bit in `forbidden` is set, it fails with ENOSYS without making the call.
macro_rules! own_call_function {
    ($forbidden:path, $failed:path) => {
        ::core::arch::naked_asm!(
            ".hidden nosigpipe_own_call",
            "mov x8, x0",
            "adrp x9, {forbidden}",
            "add x9, x9, #:lo12:{forbidden}",
            "lsr x10, x8, #5",
            "ldr w9, [x9, x10, lsl #2]",
            "lsr w9, w9, w8", // by the number's lowest five bits
            "tbz w9, #0, 2f",
            "mov x0, #-{absent}",
            "b {failed}",
            "2:",
            "mov x0, x1",
            "mov x1, x2",
            "mov x2, x3",
            "mov x3, x4",
            "mov x4, x5",
            "mov x5, x6",
            "svc #0",
            "cmn x0, #4095",
            "b.hs {failed}",
            "ret",
            absent = const ::libc::ENOSYS,
            forbidden = sym $forbidden,
            failed = sym $failed,
        )
    };
}
pub(crate) use own_call_function;

/// Defines the calls that take paths, as `checked_system_calls` does. The kernel has only those whose first argument is
/// a directory's descriptor, here AT_FDCWD for the current directory. That of stat64() also takes flags, here none.
macro_rules! path_calls {
    ($failed:path, $forbidden:path) => {
        $crate::arch::path_calls! { @each $failed, $forbidden, "mov x3, x2": "open64" => SYS_openat }
        $crate::arch::path_calls! { @each $failed, $forbidden, "mov x3, x2": "readlink" => SYS_readlinkat }
        $crate::arch::path_calls! { @each $failed, $forbidden, "mov x3, xzr": "stat64" => SYS_newfstatat }
    };
    (@each $failed:path, $forbidden:path, $fourth:literal: $name:literal => $number:ident) => {
        $crate::arch::checked_system_calls! {
            @each $failed, $forbidden, ".globl",
            [$fourth, "mov x2, x1", "mov x1, x0", "mov x0, #{here}"], [here = AT_FDCWD]: $name => $number
        }
    };
}
pub(crate) use path_calls;

/// Body of the function that a failed system call jumps to, with the kernel's result still in its register: calls
/// `fail` with the error's number.
macro_rules! failed {
    ($fail:path) => {
        ::core::arch::naked_asm!("neg w0, w0", "b {fail}", fail = sym $fail)
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
    // SAFETY: the caller promises what the call demands. The kernel changes x0 and no other register.
    unsafe {
        asm!("svc #0", in("x8") number, inlateout("x0") a => result, in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            in("x5") f, options(nostack));
    }
    result
}

/// AUDIT_ARCH_AARCH64, by which seccomp filters tell processors apart (linux/audit.h).
pub const AUDIT_ARCH: u32 = 0xc000_00b7;
/// Number of the system call that [`poll`] makes.
pub const POLL: c_long = libc::SYS_ppoll;
/// Number of the system call that [`open`] makes.
pub const OPEN: c_long = libc::SYS_openat;
/// Number of the system call that stat(2) makes.
pub const STAT: c_long = libc::SYS_newfstatat;
/// Number of the system call that readlink(2) makes.
pub const READLINK: c_long = libc::SYS_readlinkat;
/// Number of a system call that is always allowed: the address of the thread's control block is in a register here.
pub const THREAD_POINTER: c_long = libc::SYS_getpid;

/// poll(2), of which the kernel has only ppoll(2).
pub fn poll(entries: &mut [libc::pollfd], milliseconds: libc::c_int) -> c_long {
    let time = libc::timespec {
        tv_sec: i64::from(milliseconds / 1_000),
        tv_nsec: i64::from(milliseconds % 1_000) * 1_000_000,
    };
    let time = if milliseconds < 0 { core::ptr::null() } else { &raw const time };
    // SAFETY: the entries are a slice that is writable, whose length is passed on; the time is a local variable.
    unsafe { libc::syscall(libc::SYS_ppoll, entries.as_mut_ptr(), entries.len(), time, 0, 0) }
}

/// open(2), of which the kernel has only openat(2).
pub fn open(path: &core::ffi::CStr, flags: libc::c_int) -> libc::c_int {
    // SAFETY: a CStr ends in a zero byte, as the kernel demands of a path.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0) as libc::c_int }
}
