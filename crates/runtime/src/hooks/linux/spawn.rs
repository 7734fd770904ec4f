//! Functions of glibc that start programs: wordexp(3), the two versions of posix_spawn(3) that it has, and pidfd_spawn.

use libc::{c_char, c_int, c_void, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t};

use crate::hooks::real;
use crate::hooks::spawn::{self, PosixSpawn};
use crate::platform::next::Name;
use crate::platform::version::old_version;
use crate::sigpipe::Spawn;

/// wordexp(3): libc runs a shell for command substitutions.
pub unsafe fn wordexp(words: *const c_char, result: *mut c_void, flags: c_int) -> c_int {
    let _spawn = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::wordexp()(words, result, flags) }
}

const POSIX_SPAWN: Name = Name::new("posix_spawn\0");
const POSIX_SPAWNP: Name = Name::new("posix_spawnp\0");

/// The version of the function that the caller was linked with. In the old one (before glibc 2.15) a file that names no
/// interpreter is run by the shell. `caller` is the return address of the call.
fn by_version(caller: usize, name: &Name, newest: PosixSpawn) -> PosixSpawn {
    // SAFETY: `old_version` returns the address of another version of the same function, which has the same signature.
    old_version(caller, name).map_or(newest, |old| unsafe { core::mem::transmute::<*const (), PosixSpawn>(old) })
}

/// posix_spawn(3): the version that its caller was linked with
pub unsafe fn posix_spawn(
    pid: *mut pid_t,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
    caller: usize,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe {
        spawn::posix_spawn(
            by_version(caller, &POSIX_SPAWN, real::posix_spawn()),
            pid,
            path,
            actions,
            attributes,
            arguments,
            environment,
        )
    }
}

/// posix_spawnp(3): the version that its caller was linked with
pub unsafe fn posix_spawnp(
    pid: *mut pid_t,
    file: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
    caller: usize,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe {
        spawn::posix_spawn(
            by_version(caller, &POSIX_SPAWNP, real::posix_spawnp()),
            pid,
            file,
            actions,
            attributes,
            arguments,
            environment,
        )
    }
}

/// pidfd_spawn (glibc 2.39): stores a descriptor for the child where posix_spawn(3) stores the pid.
pub unsafe fn pidfd_spawn(
    pidfd: *mut c_int,
    path: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them. A pid and a descriptor are both an int.
    unsafe { spawn::posix_spawn(real::pidfd_spawn(), pidfd, path, actions, attributes, arguments, environment) }
}

/// pidfd_spawnp (glibc 2.39): stores a descriptor for the child where posix_spawnp(3) stores the pid.
pub unsafe fn pidfd_spawnp(
    pidfd: *mut c_int,
    file: *const c_char,
    actions: *const posix_spawn_file_actions_t,
    attributes: *const posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them. A pid and a descriptor are both an int.
    unsafe { spawn::posix_spawn(real::pidfd_spawnp(), pidfd, file, actions, attributes, arguments, environment) }
}
