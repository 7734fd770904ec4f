//! Which signals a thread blocks: what the program has set is what the kernel has.

use libc::{c_int, c_void, pid_t, siginfo_t};

use crate::platform::Fault;

/// Nothing depends on it here.
pub fn note_default(_signal: c_int, _is_default: bool) {}

/// Whether masks stand for others here.
pub fn are_masks_reduced() -> bool {
    false
}

/// The mask for the kernel, where the program wants this.
pub fn reduced(mask: u64) -> u64 {
    mask
}

/// What the program has set, of a mask that the kernel has.
pub fn as_program_set(mask: u64) -> u64 {
    mask
}

/// Whether a mask stands for another.
pub fn is_reduced(_mask: u64) -> bool {
    false
}

/// While a program is started by this thread.
pub struct ProgramMask;

impl ProgramMask {
    /// Nothing has to be changed.
    pub fn begin() -> Self {
        Self
    }
}

/// Whether a signal was sent to a thread whose program has it blocked: it would not have come.
///
/// # Safety
/// None is needed here.
pub unsafe fn is_blocked_by_program(_fault: &Fault, _context: *const c_void) -> bool {
    false
}

/// Never called.
///
/// # Safety
/// None is needed here.
pub unsafe fn make_pending(_tid: pid_t, _signal: c_int, _info: *const siginfo_t, _context: *mut c_void) {}
