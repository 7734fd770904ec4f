//! posix_spawn(2), and twins of what libc starts on behalf of the program.

use libc::{FILE, c_char, c_int, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t};

use crate::hooks::{real, spawn};
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

/// posix_spawn(3)
pub unsafe fn posix_spawn(
    pid: *mut pid_t,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { spawn::posix_spawn(real::posix_spawn(), pid, path, actions, attributes, arguments, environment) }
}

/// posix_spawnp(3)
pub unsafe fn posix_spawnp(
    pid: *mut pid_t,
    file: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { spawn::posix_spawn(real::posix_spawnp(), pid, file, actions, attributes, arguments, environment) }
}
