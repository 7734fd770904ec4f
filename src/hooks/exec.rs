//! exec(3): the process becomes another program, and that one starts with the SIGPIPE that it would have had without us.
//!
//! A child by vfork calls these in its parent's memory.

use libc::{c_char, c_int};

use super::real;
use crate::sigpipe::Spawn;

pub unsafe fn execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::execve()(path, arguments, environment) }
}

pub unsafe fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::execv()(path, arguments) }
}

pub unsafe fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::execvp()(file, arguments) }
}
