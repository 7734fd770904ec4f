//! exec(3): the process becomes another program, and that one starts with the SIGPIPE that it would have had without
//! us.
//!
//! A child by vfork(2) calls these in its parent's memory, and so they note nothing there (`Spawn` and
//! `with_environment` see to it).

use libc::{c_char, c_int};

use super::real;
use crate::platform;
use crate::sigpipe::Spawn;

pub unsafe fn execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int {
    let _exec = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them but for what is added to the environment.
    platform::with_environment(environment, |environment| unsafe { real::execve()(path, arguments, environment) })
}

pub unsafe fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int {
    let _exec = Spawn::begin();
    let own = platform::own_environment();
    platform::with_environment(own, |environment| {
        // SAFETY: the caller's arguments, as the caller gave them; and the process's environment, with what is added.
        unsafe {
            if environment == own {
                real::execv()(path, arguments)
            } else {
                real::execve()(path, arguments, environment)
            }
        }
    })
}

pub unsafe fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int {
    let _exec = Spawn::begin();
    let own = platform::own_environment();
    platform::with_environment(own, |environment| {
        // SAFETY: the caller's arguments, as the caller gave them; and the process's environment, with what is added.
        unsafe {
            if environment == own {
                real::execvp()(file, arguments)
            } else {
                super::system::execvp_with(file, arguments, environment)
            }
        }
    })
}
