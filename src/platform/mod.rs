//! One contract, two implementations. What each platform must provide, in files of the same names:
//!
//! - `action.rs`: [`set_action`], [`action`], and the conversion between [`Action`](crate::signals::Action) and
//!   `libc::sigaction`
//! - `broken_pipe.rs`: what the system call was that raised SIGPIPE
//! - `process.rs`: names, environment, privileges, errno
//! - `socket.rs`: what keeps a socket from raising SIGPIPE

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;
