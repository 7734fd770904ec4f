//! Bodies of the hooks that only Linux has and that belong to no family of both systems.

use libc::{c_char, c_int, c_void};

use crate::hooks::real;
use crate::sigpipe::Spawn;

/// The system call itself: a glibc older than 2.34 has no function for it.
pub unsafe fn execveat(
    directory: c_int,
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    flags: c_int,
) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { libc::syscall(libc::SYS_execveat, directory, path, arguments, environment, flags) as c_int }
}

/// libc runs a shell for what is to be substituted.
pub unsafe fn wordexp(words: *const c_char, result: *mut c_void, flags: c_int) -> c_int {
    let _spawn = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::wordexp()(words, result, flags) }
}
