//! Other threads of another process, by ptrace(2).

use super::freestanding::own_call;
use libc::{c_int, c_void, pid_t};

use crate::arch::{Registers, USER_REGISTERS, registers_of_user};

/// Seizes a thread, and has it stop; whether that is allowed.
pub fn seize(thread: pid_t) -> bool {
    // SAFETY: no memory is involved.
    unsafe {
        own_call(libc::SYS_ptrace, libc::PTRACE_SEIZE, thread, 0, 0) == 0
            && own_call(libc::SYS_ptrace, libc::PTRACE_INTERRUPT, thread, 0, 0) == 0
    }
}

/// What has become of a thread that was seized.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seized {
    /// It is stopped.
    Stopped,
    /// It has ended.
    Gone,
    /// It has not stopped yet; in a system call that can't be interrupted it takes its time.
    Running,
}

/// Asks whether a seized thread is stopped.
pub fn seized(thread: pid_t) -> Seized {
    let mut status: c_int = 0;
    // SAFETY: `status` is ours.
    let found = unsafe { own_call(libc::SYS_wait4, thread, &raw mut status, libc::WNOHANG | libc::__WALL, 0) };
    match found {
        0 => Seized::Running,
        found if found > 0 && libc::WIFSTOPPED(status) => Seized::Stopped,
        _ => Seized::Gone,
    }
}

/// Registers of a stopped thread.
pub fn registers_of(thread: pid_t) -> Option<Registers> {
    let mut all = [0u64; USER_REGISTERS];
    let mut room = libc::iovec { iov_base: all.as_mut_ptr().cast(), iov_len: size_of_val(&all) };
    let room = &raw mut room;
    // SAFETY: the kernel writes as much as there is room for.
    let done =
        unsafe { own_call(libc::SYS_ptrace, libc::PTRACE_GETREGSET, thread, libc::NT_PRSTATUS, room.cast::<c_void>()) };
    (done == 0).then(|| registers_of_user(&all))
}
