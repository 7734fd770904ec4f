//! abort(3), and what compilers and assert(3) call that ends there.
//!
//! Where SIGABRT is ignored, libc's abort raises it, finds itself alive, sets the default action by a call that no hook sees, and
//! raises it again: nobody would hear of that end. So what it does in the end is done before it begins. Behind these hooks, libc's
//! function finds the stack and the registers as its caller has left them.

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
    ($name:ident) => {
        ends_in_abort! { $name: {
            /// Looked up when it is called first.
            static REAL: Real = Real::new(core::ptr::null(), concat!(stringify!($name), "\0"));
            &REAL
        } }
    };
    ($name:ident: $real:expr) => {
        mod $name {
            use super::*;

            unsafe extern "C" fn before() -> *const () {
                real($real)
            }

            passing_hook! { $name => before }
        }
    };
}

ends_in_abort! { abort: &crate::platform::ABORT }
ends_in_abort! { __assert_fail }
ends_in_abort! { __assert_perror_fail }
ends_in_abort! { __assert }
ends_in_abort! { __stack_chk_fail }
