//! How the program's children end.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use libc::c_int;

#[cfg(target_os = "linux")]
use super::is_active;
#[cfg(target_os = "linux")]
use crate::sigpipe::is_own_process;

/// The signal that has killed the child which was waited for last; 0 if it has ended otherwise.
static LAST_SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Whether the child that the program has waited for last was killed by this signal.
pub fn was_killed_by(signal: c_int) -> bool {
    LAST_SIGNAL.load(Relaxed) == signal
}

/// To be called when a wait(2) of the program has told that a child is no more: with the signal that has killed it, or 0.
#[cfg(target_os = "linux")]
pub fn ended(signal: c_int) {
    // A child by vfork leaves its parent's memory as it is.
    if is_active() && LAST_SIGNAL.load(Relaxed) != signal && is_own_process() {
        LAST_SIGNAL.store(signal, Relaxed);
    }
}
