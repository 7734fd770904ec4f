//! Twins of what libc starts on behalf of the program.

use libc::{FILE, c_char, c_int};

use crate::hooks::real;
use crate::sigpipe::Spawn;

pub unsafe fn system_nocancel(command: *const c_char) -> c_int {
    let _spawn = Spawn::begin();
    // SAFETY: the caller's argument, as the caller gave it.
    unsafe { real::system_nocancel()(command) }
}

pub unsafe fn popen_extsn(command: *const c_char, mode: *const c_char) -> *mut FILE {
    let _spawn = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::popen_extsn()(command, mode) }
}
