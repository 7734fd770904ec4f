//! What broke when SIGPIPE came: it comes to any thread of the process, with nothing that says so.

use libc::{c_void, siginfo_t};

use super::Broken;

/// Nothing is to be noted.
pub fn start() {}

/// No SIGPIPE of the program's own is noted.
pub fn forget_asked_sigpipe() {}

/// Tells what broke when SIGPIPE came: nobody can.
///
/// # Safety
/// None needed; on Linux the pointers must be those of a handler with SA_SIGINFO.
pub unsafe fn broken(_info: *const siginfo_t, _context: *const c_void) -> Broken {
    Broken::Nothing
}
