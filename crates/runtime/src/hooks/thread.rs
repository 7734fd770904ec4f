//! pthread_create(3): each thread gets an alternate signal stack, on which a crash can be reported after a stack
//! overflow.

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
        // SAFETY: the caller's arguments, but for the last two, which may be our own function and what it needs to call
        // the caller's.
        unsafe { real::pthread_create()(thread, attributes, routine, argument) }
    };
    if crash::is_active() { crash::create_thread(routine, argument, create) } else { create(routine, argument) }
}
