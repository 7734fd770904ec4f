//! How the program's children end.

use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

use libc::c_int;

#[cfg(target_os = "linux")]
use super::settings::is_active;
use crate::platform::is_own_process;

/// The signal that has killed the child which was waited for last; 0 if it has ended otherwise.
static LAST_SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Whether the child that the program has waited for last was killed by this signal.
pub fn was_killed_by(signal: c_int) -> bool {
    // In a child that shares its parent's memory, this is about the parent's children.
    LAST_SIGNAL.load(Relaxed) == signal && is_own_process()
}

/// To be called when a signal has reached a handler of the program: if that handler raises the signal again, then because of this
/// signal, not because of a child that ended before.
pub fn forget() {
    if is_own_process() {
        adopt_forked_child();
    }
}

/// A forked child has waited for nobody.
pub fn adopt_forked_child() {
    // Mostly there is nothing to forget, and writing would copy the page (copy-on-write).
    if LAST_SIGNAL.load(Relaxed) != 0 {
        LAST_SIGNAL.store(0, Relaxed);
    }
}

/// Notes the signal that has killed a child, or 0.
#[cfg(target_os = "linux")]
pub fn ended(signal: c_int) {
    // A child by vfork leaves its parent's memory as it is.
    if is_active() && LAST_SIGNAL.load(Relaxed) != signal && is_own_process() {
        LAST_SIGNAL.store(signal, Relaxed);
    }
}
