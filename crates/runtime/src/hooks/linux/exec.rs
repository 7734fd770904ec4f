//! exec(3): the functions that Linux has and macOS lacks.

use libc::{c_char, c_int};

use crate::hooks::real;
use crate::platform;
use crate::sigpipe::Spawn;

pub unsafe fn execvpe(
    file: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    platform::with_environment(environment, |environment| unsafe { real::execvpe()(file, arguments, environment) })
}

/// execvp(3) with another environment than the process's.
pub unsafe fn execvp_with(
    file: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::execvpe()(file, arguments, environment) }
}

pub unsafe fn fexecve(fd: c_int, arguments: *const *const c_char, environment: *const *const c_char) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    platform::with_environment(environment, |environment| unsafe { real::fexecve()(fd, arguments, environment) })
}

/// execveat(2), by the system call itself: a glibc older than 2.34 has no function for it.
pub unsafe fn execveat(
    directory: c_int,
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    flags: c_int,
) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    platform::with_environment(environment, |environment| unsafe {
        libc::syscall(libc::SYS_execveat, directory, path, arguments, environment, flags) as c_int
    })
}
