//! execl(3), execlp(3) and execle(3), whose arguments are a list.
//!
//! Rust has no functions with variable arguments. But a few instructions can make of the caller's list the array that
//! execv(3) takes, in place: nothing is copied, whatever its length. Then a function below takes over.

use libc::{c_char, c_int};

use super::exec;

/// Defines a function that hands its first argument and the array of all others to a body.
///
/// On x86_64 the first six arguments are in registers and the rest is on the stack, so that pushing the registers, with
/// the return address out of the way, completes the array.
#[cfg(target_arch = "x86_64")]
macro_rules! list_hook {
    ($(#[$attribute:meta])* $name:ident => $body:path) => {
        #[unsafe(naked)]
        $(#[$attribute])*
        unsafe extern "C" fn $name() -> ::libc::c_int {
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "pop r10",
                ".cfi_def_cfa_offset 0",
                ".cfi_register rip, r10",
                "push r9",
                "push r8",
                "push rcx",
                "push rdx",
                "push rsi",
                ".cfi_def_cfa_offset 40",
                "mov rsi, rsp",
                "push r10",
                ".cfi_def_cfa_offset 48",
                ".cfi_offset rip, -48",
                "call {body}",
                "pop r10",
                ".cfi_def_cfa_offset 40",
                ".cfi_register rip, r10",
                "add rsp, 40",
                ".cfi_def_cfa_offset 0",
                "push r10",
                ".cfi_def_cfa_offset 8",
                ".cfi_offset rip, -8",
                "ret",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    };
}

/// The same for arm64 as Apple has it, where variable arguments are all on the stack, one in each word. The list's first
/// is not one of them: it is put below the others, and the frame record, which mostly is there, below it.
#[cfg(target_arch = "aarch64")]
macro_rules! list_hook {
    ($(#[$attribute:meta])* $name:ident => $body:path) => {
        #[unsafe(naked)]
        $(#[$attribute])*
        unsafe extern "C" fn $name() -> ::libc::c_int {
            ::core::arch::naked_asm!(
                ".cfi_startproc",
                "sub sp, sp, #32",
                ".cfi_def_cfa_offset 32",
                "stp x29, x30, [sp]",
                ".cfi_offset w29, -32",
                ".cfi_offset w30, -24",
                "mov x29, sp",
                "str x1, [sp, #24]",
                "add x1, sp, #24",
                "bl {body}",
                "ldp x29, x30, [sp]",
                "add sp, sp, #32",
                ".cfi_def_cfa_offset 0",
                ".cfi_restore w29",
                ".cfi_restore w30",
                "ret",
                ".cfi_endproc",
                body = sym $body,
            )
        }
    };
}
pub(crate) use list_hook;

pub unsafe extern "C" fn execl(path: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: the caller's path, and its list as an array.
    unsafe { exec::execv(path, arguments) }
}

pub unsafe extern "C" fn execlp(file: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: the caller's file, and its list as an array.
    unsafe { exec::execvp(file, arguments) }
}

pub unsafe extern "C" fn execle(path: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: the caller's path, and its list as an array; the environment comes after the terminating null pointer.
    unsafe {
        let mut last = arguments;
        while !(*last).is_null() {
            last = last.add(1);
        }
        exec::execve(path, arguments, *last.add(1).cast::<*const *const c_char>())
    }
}
