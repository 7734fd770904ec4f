//! What the kernel tells of a broken pipe: the registers that SIGPIPE has interrupted, and what poll(2) says of a descriptor.

use libc::{c_int, c_void};

use super::program_memory::ProgramMemory;
use super::{descriptors, is_filtered, is_pipe, next, optional};
use crate::arch::{self, Interrupted};

/// Whether SIGPIPE comes to the thread whose call failed, at that call's return, so that a handler can tell what broke.
pub const SIGPIPE_IS_SYNCHRONOUS: bool = true;

/// The system call at whose return a signal came, as far as the interrupted registers tell.
///
/// # Safety
/// `context` is what the kernel gave to a handler with SA_SIGINFO.
pub unsafe fn interrupted_call(context: *const c_void) -> Option<Interrupted> {
    let read = |address: u64, bytes: &mut [u8]| !is_filtered() && super::read_here(address, bytes) == bytes.len();
    // Under a filter of the program's, this says that it is.
    let is_readable = |address: u64| ProgramMemory::new().is_readable(address as usize);
    let libc = || Some((next::code_of_libc()?, optional::__register_atfork().is_none()));
    // SAFETY: the caller promises the kernel's context.
    unsafe { arch::interrupted_call(context, is_readable, read, libc) }
}

/// Whether a descriptor is a pipe's or FIFO's end to be written to, and nobody has the other end.
///
/// Its number may go from a pipe to a socket and back between our questions. But a socket that can't be written to any
/// more reports POLLHUP, which the end of a pipe that is written to never does.
pub fn is_broken_pipe(fd: c_int) -> bool {
    const WORST: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
    let mut end = libc::pollfd { fd, events: 0, revents: 0 };
    let ready = super::freestanding::poll(core::slice::from_mut(&mut end), 0);
    ready == 1 && end.revents & WORST == libc::POLLERR && is_pipe(fd)
}

/// Whether a descriptor is the end of a pipe or FIFO that is read from.
pub fn is_read_end_of_pipe(fd: c_int) -> bool {
    // SAFETY: F_GETFL only looks.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags != -1 && flags & libc::O_ACCMODE == libc::O_RDONLY && is_pipe(fd)
}

/// Which of the process's descriptors are broken.
pub fn broken_descriptors() -> descriptors::Broken {
    descriptors::broken()
}
