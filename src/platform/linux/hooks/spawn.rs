//! What glibc starts besides.

use libc::{c_char, c_int, c_void};

use crate::hooks::real;
use crate::sigpipe::Spawn;

/// libc runs a shell for what is to be substituted.
pub unsafe fn wordexp(words: *const c_char, result: *mut c_void, flags: c_int) -> c_int {
    let _spawn = Spawn::begin();
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { real::wordexp()(words, result, flags) }
}
