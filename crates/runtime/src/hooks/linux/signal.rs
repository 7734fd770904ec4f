//! Variants of signal(2) and sigaction(2) in glibc, and kill(2).

use libc::{SIGPIPE, c_int, pid_t, sighandler_t};

use crate::hooks::real;
use crate::hooks::signal::{by_name, install};
use crate::platform::{self, SYSTEM_V_FLAGS};
use crate::sigpipe;

pub use crate::hooks::signal::sigaction as __sigaction;
pub use crate::hooks::signal::signal as ssignal;

pub unsafe fn sysv_signal(signum: c_int, handler: sighandler_t) -> sighandler_t {
    install(signum, handler, SYSTEM_V_FLAGS, 0, by_name(signum))
}

pub use sysv_signal as __sysv_signal;

pub unsafe fn kill(pid: pid_t, signum: c_int) -> c_int {
    // 0, -1 and other negative numbers mean a group or all processes, which may include this one.
    if signum == SIGPIPE {
        note(pid <= 0 || pid == platform::pid());
    }
    // SAFETY: no memory is involved.
    unsafe { real::kill()(pid, signum) }
}

pub unsafe fn killpg(group: pid_t, signum: c_int) -> c_int {
    if signum == SIGPIPE {
        note(true);
    }
    // SAFETY: no memory is involved.
    unsafe { real::killpg()(group, signum) }
}

/// Notes that a SIGPIPE may come to this process. A child that shares our memory notes nothing there: if the signal
/// comes to it, its registers have to tell.
#[cold]
fn note(may_be_for_us: bool) {
    if may_be_for_us && platform::is_own_process() && sigpipe::is_handled() {
        sigpipe::ask_for_sigpipe();
    }
}
