//! abort(3), and what compilers and assert(3) call that ends there.
//!
//! Where SIGABRT is ignored, libc's abort raises it, finds itself alive, sets the default action by a call that no hook sees, and
//! raises it again: nobody would hear of that end. So what it does in the end is done before it begins. Behind these hooks, libc's
//! function finds the stack and the registers as its caller has left them.

use core::ffi::c_void;

use crate::arch::passing_hook;
use crate::crash;
use crate::platform::{Real, keeping_errno};

/// The real function's address. Does all that a signal handler may do.
fn real(function: &Real) -> *const () {
    keeping_errno(|| {
        crash::let_abort_through();
        function.address_or_refusal()
    })
}

macro_rules! ends_in_abort {
    ($($name:ident;)*) => {$(
        mod $name {
            use super::*;

            pub static REAL: Real = Real::new(core::ptr::null(), concat!(stringify!($name), "\0"));

            unsafe extern "C" fn before() -> *const () {
                real(&REAL)
            }

            passing_hook! { $name => before }
        }
    )*};
}

ends_in_abort! {
    abort;
    __assert_fail;
    __assert_perror_fail;
    __assert;
    __stack_chk_fail;
}

/// The address of libc's abort(3).
pub fn real_abort() -> u64 {
    abort::REAL.address_or_refusal() as *const c_void as u64
}
