//! Twins of signal(2) and sigaction(2) in glibc.

use libc::{c_int, sighandler_t};

use crate::hooks::signal::install;
use crate::platform::SYSTEM_V_FLAGS;

pub use crate::hooks::signal::sigaction as __sigaction;
pub use crate::hooks::signal::signal as ssignal;

pub unsafe fn sysv_signal(signum: c_int, handler: sighandler_t) -> sighandler_t {
    install(signum, handler, SYSTEM_V_FLAGS, 0)
}

pub use sysv_signal as __sysv_signal;
