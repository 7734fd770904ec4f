//! The end of the process: none ends it while another thread is about to die of a crash.

use libc::c_int;

use crate::crash;
use crate::platform::exit_now;

/// What the process would end with is the crash.
pub unsafe fn _exit(status: c_int) -> ! {
    if crash::is_active() {
        crash::let_a_crash_come_first();
    }
    exit_now(status)
}
