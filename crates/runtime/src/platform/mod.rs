//! One contract, two implementations. What each platform must provide, in files of the same names:
//!
//! - `action.rs`: [`set_action`], [`action`](fn@action), and the conversion between [`Action`] and `libc::sigaction`
//! - `broken_pipe.rs`: what the kernel tells of the system call that raised SIGPIPE
//! - `copy.rs`: [`in_a_copy`], a copy of the process for the crash report
//! - `fault.rs`: [`Fault`], what a signal handler is told, and [`Registers`]
//! - `memory.rs`: memory without malloc and without faults; alternate stacks
//! - `process.rs`: names, environment, privileges, errno
//! - `socket.rs`: what keeps a socket from raising SIGPIPE
//! - `spawn.rs`: whether a started program can be given its SIGPIPE without changing ours
//! - `thread.rs`: threads, time, and the end of the process
//! - `real.rs`: [`real_function!`], how a hook finds the function that it stands in front of, and [`interpose!`], how
//!   the loader finds the hook
//!
//! What both have in common is here: `action.rs` and `own_process.rs`, and in `posix.rs` what both do in the same way.

use core::net::SocketAddr;
use core::sync::atomic::AtomicU32;

use libc::{c_int, c_void, pid_t};

pub use crate::arch::{
    Access, Cause, FLAGS_NAME, FRAME_POINTER, REGISTER_NAMES, Registers, call_on_stack, code_address,
};

/// What a copy of the crashed process is for.
#[derive(Clone, Copy)]
pub struct CopyWork {
    /// The process that it is a copy of.
    pub pid: pid_t,
    /// The upper end of the stack that it is done on; null where there is no memory for one.
    pub top: *mut u8,
    /// What is done before a copy is made, in the process's own memory.
    pub first: Option<fn()>,
    /// First of all in the copy, with the process's descriptors still open: nothing that goes wrong later may be taken for a crash.
    pub begin: fn(*const c_void),
    /// The work itself, which is given standard error by another number, since whatever goes wrong would say so on that; -1 for
    /// none.
    pub write: fn(c_int),
    /// What `begin` is given.
    pub argument: *const c_void,
    /// In memory that is shared with the copy: becomes 1 when the work is done. Without it the copy's end tells.
    pub done: Option<&'static AtomicU32>,
    /// On the clock of [`nanoseconds`].
    pub deadline: u64,
}

/// What became of a copy.
pub enum CopyEnd {
    /// The work is done.
    Done,
    /// It has ended before the work was done.
    Crashed,
    /// The deadline has come first.
    TookTooLong,
    /// There could be none.
    NoCopy,
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

mod action;
pub use action::Action;

mod own_process;
pub use own_process::{is_own_process, own_process, set_own_process};

mod posix;
pub use posix::*;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
pub use macos::*;
