//! execl(3), execlp(3) and execle(3), whose arguments are a list.
//!
//! Rust has no functions with variable arguments. But x86_64 passes the first six in registers and the rest on the
//! stack, so that pushing the registers, with the return address out of the way, makes of all of them the array that
//! execv(3) takes. The array stands in the caller's own frame: nothing is copied, whatever its length.

use core::arch::naked_asm;

use libc::{c_char, c_int};

use crate::hooks::exec::{execv, execve, execvp};

/// Exports functions that hand their first argument and the array of all others to a body.
macro_rules! list_hooks {
    ($($name:ident => $body:path;)*) => {
        $(
            #[unsafe(naked)]
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name() -> c_int {
                naked_asm!(
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
        )*
    };
}

list_hooks! {
    execl => execl_body;
    execlp => execlp_body;
    execle => execle_body;
}

unsafe extern "C" fn execl_body(path: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: the caller's path, and its list as an array.
    unsafe { execv(path, arguments) }
}

unsafe extern "C" fn execlp_body(file: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: the caller's file, and its list as an array.
    unsafe { execvp(file, arguments) }
}

unsafe extern "C" fn execle_body(path: *const c_char, arguments: *const *const c_char) -> c_int {
    // SAFETY: the caller's path, and its list as an array; the environment comes after the terminating null pointer.
    unsafe {
        let mut last = arguments;
        while !(*last).is_null() {
            last = last.add(1);
        }
        execve(path, arguments, *last.add(1).cast::<*const *const c_char>())
    }
}
