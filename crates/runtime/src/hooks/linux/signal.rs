//! Variants of signal(2) and sigaction(2) in glibc, kill(2), and sigwait(3).

use libc::{SIGPIPE, c_int, pid_t, sighandler_t, siginfo_t, sigset_t, timespec};

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

/// kill(2): a SIGPIPE that may come to this process is noted.
pub unsafe fn kill(pid: pid_t, signum: c_int) -> c_int {
    let may_be_for_us = || match pid {
        0 => true,
        // All processes but the one that asks (kill(2), "Linux notes").
        -1 => false,
        group @ ..-1 => platform::may_be_own_group(group.wrapping_neg()),
        pid => pid == platform::pid(),
    };
    // SAFETY: no memory is involved.
    noting(signum, may_be_for_us, || unsafe { real::kill()(pid, signum) })
}

/// killpg(3)
pub unsafe fn killpg(group: pid_t, signum: c_int) -> c_int {
    let may_be_for_us = || group == 0 || platform::may_be_own_group(group);
    // SAFETY: no memory is involved.
    noting(signum, may_be_for_us, || unsafe { real::killpg()(group, signum) })
}

/// Sends a signal by `send`, and notes a SIGPIPE that may come to this process: before it is sent, since it may come before
/// `send` returns, and no longer if it was not sent. A child that shares our memory notes nothing there: if the signal comes to
/// it, its registers have to tell. For other signals nothing is asked: a filter may kill for a system call that the program has
/// not made.
fn noting(signum: c_int, may_be_for_us: impl FnOnce() -> bool, send: impl FnOnce() -> c_int) -> c_int {
    if signum != SIGPIPE || !platform::is_own_process() || !sigpipe::is_handled() || !may_be_for_us() {
        return send();
    }
    let asked = sigpipe::ask_for_sigpipe();
    let result = send();
    if result != 0 {
        asked.was_not_sent();
    }
    result
}

/// sigwait(3): a SIGPIPE that is taken does not come any more.
pub unsafe fn sigwait(set: *const sigset_t, signum: *mut c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let result = unsafe { real::sigwait()(set, signum) };
    // SAFETY: a call that has succeeded has written there.
    if result == 0 && unsafe { *signum } == SIGPIPE {
        sigpipe::sigpipe_was_taken();
    }
    result
}

/// sigwaitinfo(2)
pub unsafe fn sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    taken(unsafe { real::sigwaitinfo()(set, info) })
}

/// sigtimedwait(2)
pub unsafe fn sigtimedwait(set: *const sigset_t, info: *mut siginfo_t, timeout: *const timespec) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    taken(unsafe { real::sigtimedwait()(set, info, timeout) })
}

/// Returns the signal that a call has taken, or -1 with the call's errno.
fn taken(result: c_int) -> c_int {
    if result == SIGPIPE {
        sigpipe::sigpipe_was_taken();
    }
    result
}
