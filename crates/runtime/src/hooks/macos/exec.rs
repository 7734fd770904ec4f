//! exec(3): the functions that macOS has and Linux has not.

use libc::{c_char, c_int};

use crate::hooks::real;
use crate::sigpipe::Spawn;

/// execvP(3): `path` is where the file is looked for.
pub unsafe fn execvp_in(file: *const c_char, path: *const c_char, arguments: *const *mut c_char) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::execvp_in()(file, path, arguments) }
}

/// execvp(3) with an environment of ours: there is none here, and so it is execvp(3).
pub unsafe fn execvp_with(
    file: *const c_char,
    arguments: *const *const c_char,
    _environment: *const *const c_char,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::execvp()(file, arguments) }
}
