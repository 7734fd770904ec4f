//! Which signals a thread blocks: masks are not reduced here, the kernel has what the program has set.

use libc::{c_int, c_void, pid_t, siginfo_t};

use crate::platform::Fault;

/// Nothing depends on it here.
pub fn note_default(_signal: c_int, _is_default: bool) {}

/// Whether masks are reduced.
pub fn are_masks_reduced() -> bool {
    false
}

/// The mask that the kernel is given where the program sets this one.
pub fn reduced(mask: u64) -> u64 {
    mask
}

/// The mask that the program has set, by the one that the kernel has.
pub fn as_program_set(mask: u64) -> u64 {
    mask
}

/// Whether a mask that the kernel has is a reduced one.
pub fn is_reduced(_mask: u64) -> bool {
    false
}

/// While this is kept, the kernel has the mask that the program has set: as always here.
pub struct ProgramMask;

impl ProgramMask {
    /// Nothing has to be changed.
    pub fn begin() -> Self {
        Self
    }
}

/// Whether a signal was sent to a thread in which the program has it blocked: then it would not have come here.
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
