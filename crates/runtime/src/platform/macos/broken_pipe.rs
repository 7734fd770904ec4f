//! SIGPIPE comes to any thread of the process, with nothing that says what broke.

use libc::{c_void, siginfo_t};

use crate::platform::Broken;

/// Whether a SIGPIPE handler can tell what broke.
pub const SIGPIPE_IS_SYNCHRONOUS: bool = false;

/// Tells what broke when SIGPIPE came: nobody can.
///
/// # Safety
/// None needed; on Linux the pointers must be those of a handler with SA_SIGINFO.
pub unsafe fn broken(_info: *const siginfo_t, _context: *const c_void) -> Broken {
    Broken::Nothing
}
