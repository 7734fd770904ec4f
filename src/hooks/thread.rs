//! Threads: each gets an alternate signal stack.

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

/// A key for the program: where there is none left, the one that is ours.
pub unsafe fn pthread_key_create(
    key: *mut libc::pthread_key_t,
    destructor: Option<unsafe extern "C" fn(*mut c_void)>,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let create = || unsafe { real::pthread_key_create()(key, destructor) };
    match create() {
        libc::EAGAIN if crash::give_key_up() => create(),
        result => result,
    }
}
