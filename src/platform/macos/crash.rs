//! Crash signals are left alone: there are no crash reports on macOS yet.

use libc::{c_int, c_void};

use crate::options::Options;
use crate::signals::Owned;

/// What a program passes to pthread_create(3).
pub type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

pub fn start(_options: &Options, _program: &[u8]) {}

pub fn adopt_forked_child() {}

pub fn is_active() -> bool {
    false
}

pub fn owned(_signal: c_int) -> Option<&'static Owned> {
    None
}

pub fn create_thread(routine: Routine, argument: *mut c_void, create: impl Fn(Routine, *mut c_void) -> c_int) -> c_int {
    create(routine, argument)
}
