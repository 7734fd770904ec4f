//! abort(3), and what compilers and assert(3) call that ends there.
//!
//! Where SIGABRT is ignored or blocked, libc's abort raises it, still runs, sets the default action by a system call
//! that no hook sees, and raises it again: that crash would not be reported. So before libc's abort begins, the hooks
//! have the signal unblocked and its default action in force. Then they jump to libc's function, which finds the stack
//! and the registers as its caller has left them.

use hooktable::Missing;

use crate::arch::passing_hook;
use crate::crash;
use crate::platform::{Real, keeping_errno};

/// Prepares the end by SIGABRT and returns the real function's address. May be called in a signal handler. Keeps errno.
fn real(function: &Real) -> *const () {
    keeping_errno(|| {
        crash::let_abort_through();
        function.address_or_refusal(Missing::Ends)
    })
}

/// Exports a function that prepares the end and goes on as libc's function of the same name.
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
