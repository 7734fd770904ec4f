//! A copy of the process: none is made here.
//!
//! macOS has no clone(2), and its fork(2) runs all atfork handlers, in which a process hangs whose malloc lock is held. The crashed thread
//! itself can read the other threads' registers and all memory, by Mach calls.

use libc::pid_t;

use crate::platform::{CopyEnd, CopyWork};

/// Whether we are a copy of that process: never.
pub fn is_copy_of(_process: pid_t) -> bool {
    false
}

/// Would have a copy of the process do the work: calls `work.first` and makes no copy.
///
/// # Safety
/// None needed; on Linux `work.top` must be the end of a stack.
pub unsafe fn in_a_copy(work: CopyWork) -> CopyEnd {
    if let Some(first) = work.first {
        first();
    }
    CopyEnd::NoCopy
}

/// Whether nobody is on the stack of [`in_a_copy`] any more: nobody ever was.
pub fn is_stack_free() -> bool {
    true
}

/// Whether a copy of a process can be made.
pub const MAKES_COPIES: bool = false;

/// The same for a child that runs in its parent's memory.
///
/// # Safety
/// None needed.
pub unsafe fn in_a_copy_of_vm_child(_work: &CopyWork) -> CopyEnd {
    CopyEnd::NoCopy
}

/// Whether a sandbox would end the process for what a report does: here it answers EPERM.
pub fn forbids_reports() -> bool {
    false
}

/// Finds out what is forbidden: nothing ends a process for it.
pub fn learn_forbidden() {}

/// The same, at load.
pub fn learn_filter() {}

/// In a forked child: nobody finds anything out.
pub fn forget_trial() {}

/// Whether a thread that has crashed is finding out what is forbidden.
pub fn is_learning_forbidden() -> bool {
    false
}

/// Ends what [`in_a_copy`] has left: nothing.
pub fn end_copy() {}
