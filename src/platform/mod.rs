//! One contract, two implementations. What each platform must provide, in files of the same names:
//!
//! - `action.rs`: [`set_action`], [`action`], and the conversion between [`Action`](crate::signals::Action) and
//!   `libc::sigaction`
//! - `broken_pipe.rs`: what the system call was that raised SIGPIPE
//! - `process.rs`: names, environment, privileges, errno
//! - `socket.rs`: what keeps a socket from raising SIGPIPE
//! - `spawn.rs`: whether a started program can be given its SIGPIPE without changing ours
//! - `real.rs`: [`real_function!`], how a hook finds the function that it stands in front of, and [`interpose!`], how
//!   the loader finds the hook

use core::net::SocketAddr;

use libc::c_int;

use crate::state::Call;

/// What broke, for the guard handler.
#[cfg_attr(target_os = "macos", expect(dead_code, reason = "nothing there tells what broke"))]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A socket.
    Socket(Call, c_int),
    /// A pipe, a FIFO, anything else that is not a socket, or a socketpair that stands in for a pipe.
    Other(Call, c_int),
    /// Nothing: somebody sent the signal.
    Nothing,
}

/// Who was at the other end of a socket.
pub enum Peer {
    /// An internet address.
    Inet(SocketAddr),
    /// A process on this machine.
    Unix,
    /// The kernel would not say.
    Unknown,
}

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;
