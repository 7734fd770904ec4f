//! execl(3), execlp(3) and execle(3), whose arguments are a list.
//!
//! Stable Rust can't define functions with variable arguments. But a few instructions can turn the caller's list, where
//! it is, into the array that execv(3) takes: nothing is copied, whatever its length. Then one of the functions below
//! is called.

use libc::{c_char, c_int};

use super::exec;

pub(crate) use crate::arch::list_hook;

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
