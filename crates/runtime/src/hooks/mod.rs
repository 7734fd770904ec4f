//! The hooks: what becomes of the lines of the hook table (`crates/hooktable`), and their bodies, in a file for each
//! family.
//!
//! From a line come the exported symbol, `real::NAME()`, which returns the function that the program would have called
//! without us, and, on macOS, the interpose entry (`table.rs`).
//!
//! A body has the name of the function that it stands in front of. That function's manual page says what the arguments
//! mean, what is returned, and what the caller has to promise.

pub(crate) mod exec;
pub(crate) mod list;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod spawn;
mod thread;
#[macro_use]
mod table;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

use libc::{
    FILE, c_char, c_int, c_void, msghdr, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t, pthread_attr_t,
    pthread_t, sigaction as sigaction_t, sighandler_t, size_t, sockaddr, socklen_t, ssize_t,
};

hooktable::for_each_hook!(hooks);
