//! A signal's action.

use libc::{SIG_DFL, SIG_IGN, c_int, sighandler_t};

/// A signal's action, as `sigaction` sets and tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// `SIG_DFL`, `SIG_IGN` or the address of a handler.
    pub handler: sighandler_t,
    /// `SA_*`
    pub flags: c_int,
    /// Signals blocked meanwhile, bit n for signal n + 1, as the kernel has it.
    pub mask: u64,
    /// `sa_restorer`, on Linux. Programs don't look at it, but copy it when they save an action and set it again: so it tells where an
    /// action comes from.
    pub restorer: usize,
}

impl Action {
    /// An action without flags and mask.
    pub const fn plain(handler: sighandler_t) -> Self {
        Self { handler, flags: 0, mask: 0, restorer: 0 }
    }

    /// Whether it has a handler of its own.
    pub fn is_handler(&self) -> bool {
        self.handler != SIG_DFL && self.handler != SIG_IGN
    }
}
