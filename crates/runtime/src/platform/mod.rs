//! The interface to the system, with two implementations. What each provides, in files of the same names:
//!
//! - `action.rs`: [`set_action`], [`action`](fn@action), and the conversion between [`Action`] and `libc::sigaction`
//! - `broken_pipe.rs`: what the kernel tells of the system call that raised SIGPIPE
//! - `copy.rs`: [`in_a_copy`], a copy of the process for the crash report
//! - `fault.rs`: [`Fault`], what the kernel tells a signal handler, and [`Registers`]
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

/// What a copy of the crashed process is to do.
#[derive(Clone, Copy)]
pub struct CopyWork {
    /// The process that it is a copy of.
    pub pid: pid_t,
    /// The thread in it that has crashed. The kernel shows the process's memory by this number, too, and no longer by the process's own
    /// where its main thread has ended before the others.
    pub tid: pid_t,
    /// The upper end of the stack that it is done on; null where there is no memory for one.
    pub top: *mut u8,
    /// Called before the copy is made, in the process's own memory.
    pub first: Option<fn()>,
    /// Called first in the copy, with the process's descriptors still open: after it, nothing that goes wrong may be taken for a crash.
    pub begin: fn(*const c_void),
    /// The work itself. It is given standard error's descriptor, which is not 2, so that nothing else in the copy writes there; -1 for
    /// none.
    pub write: fn(c_int),
    /// What `begin` is given.
    pub argument: *const c_void,
    /// In memory that is shared with the copy until [`end_copy`]: becomes 1 when the work is done. Without it, the work is done when the
    /// copy ends.
    pub done: Option<&'static AtomicU32>,
    /// When the copy is ended if it is not done, on the clock of [`nanoseconds`].
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
    /// No copy could be made.
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
