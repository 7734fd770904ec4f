//! Other threads of another process, by ptrace(2).

use super::freestanding::own_call;
use libc::{c_int, c_long, c_void, pid_t};

use crate::arch::{Registers, USER_REGISTERS, registers_of_user};

const PTRACE_SEIZE: c_long = 0x4206;
const PTRACE_INTERRUPT: c_long = 0x4207;
const PTRACE_GETREGSET: c_long = 0x4204;
/// The general registers (elf.h).
const NT_PRSTATUS: c_long = 1;

/// Takes hold of a thread; whether that is allowed.
pub fn seize(thread: pid_t) -> bool {
    // SAFETY: no memory is involved.
    unsafe {
        own_call(libc::SYS_ptrace, PTRACE_SEIZE, thread, 0, 0) == 0
            && own_call(libc::SYS_ptrace, PTRACE_INTERRUPT, thread, 0, 0) == 0
    }
}

/// What has become of a thread that was seized.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seized {
    /// It stands still.
    Stopped,
    /// It has ended.
    Gone,
    /// In a system call that can't be interrupted.
    Running,
}

/// Asks whether a seized thread stands still.
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

/// Registers of a thread that stands still.
pub fn registers_of(thread: pid_t) -> Option<Registers> {
    let mut all = [0u64; USER_REGISTERS];
    let mut place = libc::iovec { iov_base: all.as_mut_ptr().cast(), iov_len: size_of_val(&all) };
    let place = &raw mut place;
    // SAFETY: the kernel writes as much as there is room for.
    let done = unsafe { own_call(libc::SYS_ptrace, PTRACE_GETREGSET, thread, NT_PRSTATUS, place.cast::<c_void>()) };
    (done == 0).then(|| registers_of_user(&all))
}
