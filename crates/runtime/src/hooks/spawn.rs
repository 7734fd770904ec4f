//! Functions by which libc starts a program: posix_spawn(3), system(3), popen(3).
//!
//! libc makes these children without calling the functions that were given to pthread_atfork(3), ours among them.

use libc::{FILE, c_char, c_int, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t};

use super::real;
use crate::platform;
use crate::sigpipe::{Spawn, children_need_default};

/// posix_spawn(3), and posix_spawnp(3).
pub type PosixSpawn = unsafe extern "C" fn(
    *mut pid_t,
    *const c_char,
    *const posix_spawn_file_actions_t,
    *const posix_spawnattr_t,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

/// What the hooks of posix_spawn(3) and posix_spawnp(3) do; `real` is the one that is called. Returns 0 or an error
/// number.
///
/// # Safety
/// What `real` demands of its caller.
pub unsafe fn posix_spawn(
    real: PosixSpawn,
    pid: *mut pid_t,
    program: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them but for the attributes and what is added to the
    // environment.
    spawning(attributes, |attributes| unsafe {
        platform::with_environment(environment.cast(), |environment| {
            real(pid, program, actions, attributes, arguments, environment.cast())
        })
    })
}

/// Calls `spawn` so that the child has the SIGPIPE that it would have without us.
fn spawning(attributes: *const posix_spawnattr_t, spawn: impl Fn(*const posix_spawnattr_t) -> c_int) -> c_int {
    if children_need_default()
        && let Some(result) = platform::spawn_with_default(libc::SIGPIPE, attributes, &spawn)
    {
        return result;
    }
    let _spawn = Spawn::begin();
    spawn(attributes)
}

pub unsafe fn system(command: *const c_char) -> c_int {
    let _spawn = Spawn::begin();
    // SAFETY: the caller's argument, as the caller gave it.
    unsafe { real::system()(command) }
}

pub unsafe fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE {
    let _spawn = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::popen()(command, mode) }
}
