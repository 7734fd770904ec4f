//! Which signals a thread blocks: what the program has set is what the kernel has.

use libc::{c_int, c_void, pid_t, siginfo_t};

use crate::platform::Fault;

/// Nothing depends on it here.
pub fn note_default(_signal: c_int, _is_default: bool) {}

/// Whether masks stand for others here.
pub fn masks_stand_in() -> bool {
    false
}

/// The mask for the kernel, where the program wants this.
pub fn stand_in(mask: u64) -> u64 {
    mask
}

/// What the program has set, of a mask that the kernel has.
pub fn told(mask: u64) -> u64 {
    mask
}

/// Whether a mask stands for another.
pub fn stands_in(_mask: u64) -> bool {
    false
}

/// While a program is started by this thread.
pub struct MaskAsSet;

impl MaskAsSet {
    /// Nothing has to be changed.
    pub fn begin() -> Self {
        Self
    }
}

/// Whether a signal was sent to a thread whose program has it blocked: it would not have come.
///
/// # Safety
/// None is needed here.
pub unsafe fn is_to_be_held_back(_fault: &Fault, _context: *const c_void) -> bool {
    false
}

/// Never called.
///
/// # Safety
/// None is needed here.
pub unsafe fn hold_back(_tid: pid_t, _signal: c_int, _info: *const siginfo_t, _context: *mut c_void) {}
