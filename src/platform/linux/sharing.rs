//! What the process has done to itself that decides which system calls of ours are still harmless: it has lent its memory
//! to a child, or forbidden itself calls.
//!
//! Neither can be asked of the kernel without a call that a filter may kill for, so the functions by which programs do it
//! are hooked (`hooks/calls.rs`). Who makes the bare system call is not seen.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Children that run in this process's memory: those of vfork until they have gone, others for ever, since nobody tells
/// when they do.
pub(super) static BORROWERS: AtomicU32 = AtomicU32::new(0);

/// Whether the process has installed a seccomp filter. One that it was started with does not count: the loader and
/// our constructor have needed the same calls already.
static FILTERED: AtomicBool = AtomicBool::new(false);

/// Whether the caller may be a child that only borrows our memory, so that its pid must be asked for.
pub fn may_be_borrowed() -> bool {
    BORROWERS.load(Relaxed) != 0
}

/// Whether a system call that libc would not have made could be the process's end.
pub fn is_filtered() -> bool {
    FILTERED.load(Relaxed)
}

/// A forked child has its own memory.
pub fn forget_borrowers() {
    BORROWERS.store(0, Relaxed);
}

/// Runs a call that installs a filter. From before it, since it may concern all threads at once.
pub(super) fn filtering<T: PartialOrd + Default>(install: impl FnOnce() -> T) -> T {
    // A vforked child's filter is its own.
    if !crate::sigpipe::is_own_process() {
        return install();
    }
    let before = FILTERED.swap(true, Relaxed);
    let result = install();
    if result < T::default() {
        FILTERED.store(before, Relaxed);
    }
    result
}
