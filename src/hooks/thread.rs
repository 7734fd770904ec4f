//! Threads: each gets an alternate signal stack, and none ends the process while another is about to die of a crash.

use libc::{c_int, c_void, pthread_attr_t, pthread_t};

use super::real;
use crate::crash;

pub unsafe fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    routine: crash::Routine,
    argument: *mut c_void,
) -> c_int {
    let create = |routine, argument| {
        // SAFETY: the caller's arguments, or for the last two what stands for them.
        unsafe { real::pthread_create()(thread, attributes, routine, argument) }
    };
    if crash::is_active() { crash::create_thread(routine, argument, create) } else { create(routine, argument) }
}

#[cfg(target_os = "linux")]
/// What the process would end with is the crash.
pub unsafe fn _exit(status: c_int) -> ! {
    if crash::is_active() {
        crash::let_a_crash_come_first();
    }
    crate::platform::exit_now(status)
}
