//! abort(3), and what compilers and assert(3) call that ends there.
//!
//! Where SIGABRT is ignored or blocked, libc's abort raises it, still runs, sets the default action by a system call
//! that no hook sees, and raises it again: that crash would not be reported. So before libc's abort begins, the hooks
//! have the signal unblocked and its default action in force. Then they jump to libc's function, which finds the stack
//! and the registers as its caller has left them.
//!
//! musl has no call frame information, and its abort keeps no frame pointer: a stack that ends there could be followed to the caller's caller
//! only, since the frame pointer is the caller's. So there the hooks stay on the stack with a frame of their own, whose frame pointer leads to
//! the caller.

use hooktable::Missing;

use crate::arch::{Next, passing_hook};
use crate::crash;
use crate::platform::{Real, is_musl, keeping_errno};

/// Prepares the end by SIGABRT and returns the real function. May be called in a signal handler. Keeps errno.
fn real(function: &Real) -> Next {
    keeping_errno(|| {
        crash::let_abort_through();
        Next { address: function.address_or_refusal(Missing::Ends), with_frame: usize::from(is_musl()) }
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

            unsafe extern "C" fn before() -> Next {
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
