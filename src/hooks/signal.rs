//! signal(2), sigaction(2) and their twins.
//!
//! For signals that we own the program talks to its remembered wish. All of these may be called in signal handlers.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libc::{EINVAL, SA_RESTART, SIG_ERR, SIG_IGN, c_int, sigaction as sigaction_t, sighandler_t};

use crate::platform::{self, prototypes::SIG_HOLD};
use crate::signals::{Action, Origin, Owned};
use crate::state::{STATE, Stage};
use crate::{crash, sigpipe};

/// Signals that siginterrupt(3) was asked to let interrupt system calls, bit n for signal n + 1.
static INTERRUPTING: AtomicU64 = AtomicU64::new(0);

fn owned(signal: c_int) -> Option<&'static Owned> {
    if signal == sigpipe::SIGNAL.signal() {
        return sigpipe::SIGNAL.is_active().then_some(&sigpipe::SIGNAL);
    }
    crash::owned(signal)
}

fn change(owned: &Owned, new: Option<Action>) -> Action {
    platform::keeping_errno(|| {
        if sigpipe::is_own_process() { owned.sigaction(new) } else { owned.sigaction_of_borrower(new) }
    })
}

pub unsafe fn sigaction(signal: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int {
    // SAFETY: the caller's pointers are null or valid, as sigaction(2) demands.
    let wish = (!new.is_null()).then(|| unsafe { platform::read(new) });
    let Some(before) = set(signal, wish) else { return -1 };
    if !old.is_null() {
        // SAFETY: as above.
        unsafe { platform::write(old, &before) };
    }
    0
}

/// signal(2) as BSD has it, with nothing else blocked: the handler stays, and calls are restarted. Where
/// NOSIGPIPE_ONLY keeps us out of the program, with the flags and the mask that the twin has without us.
pub fn install(signum: c_int, handler: sighandler_t, bare_flags: c_int, bare_mask: u64) -> sighandler_t {
    if handler == SIG_ERR {
        platform::set_errno(EINVAL);
        return SIG_ERR;
    }
    let is_inert = STATE.stage.load(Relaxed) == Stage::Inert as u32;
    let (flags, mask) = if is_inert { (bare_flags, bare_mask) } else { (flags_of(signum), 0) };
    let wish = Action { flags, mask, origin: Origin::ProgramBySignal, ..Action::plain(handler) };
    set(signum, Some(wish)).map_or(SIG_ERR, |before| before.handler)
}

pub unsafe fn signal(signum: c_int, handler: sighandler_t) -> sighandler_t {
    install(signum, handler, flags_of(signum), platform::mask_of(signum))
}

pub use signal as bsd_signal;

pub unsafe fn sigset(number: c_int, disposition: sighandler_t) -> sighandler_t {
    if disposition == SIG_ERR || !(1..=platform::LAST_SIGNAL).contains(&number) {
        platform::set_errno(EINVAL);
        return SIG_ERR;
    }
    let before = if disposition == SIG_HOLD {
        set(number, None).map_or(SIG_ERR, |before| before.handler)
    } else {
        install(number, disposition, 0, 0)
    };
    if before == SIG_ERR {
        return SIG_ERR;
    }
    let how = if disposition == SIG_HOLD { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    if platform::change_mask(how, number) { SIG_HOLD } else { before }
}

pub unsafe fn sigignore(number: c_int) -> c_int {
    let wish = Action { origin: Origin::ProgramBySignal, ..Action::plain(SIG_IGN) };
    if set(number, Some(wish)).is_some() { 0 } else { -1 }
}

pub unsafe fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int {
    let Some(current) = set(signal, None) else { return -1 };
    let bit = platform::mask_of(signal);
    let flags = if interrupt != 0 {
        INTERRUPTING.fetch_or(bit, Relaxed);
        current.flags & !SA_RESTART
    } else {
        INTERRUPTING.fetch_and(!bit, Relaxed);
        current.flags | SA_RESTART
    };
    if set(signal, Some(Action { flags, ..current })).is_some() { 0 } else { -1 }
}

fn flags_of(signum: c_int) -> c_int {
    if INTERRUPTING.load(Relaxed) & platform::mask_of(signum) != 0 { 0 } else { SA_RESTART }
}

/// Sets an action, or none, and returns the one before; `None` with errno set when there is no such signal.
fn set(signal: c_int, new: Option<Action>) -> Option<Action> {
    match owned(signal) {
        Some(owned) => Some(change(owned, new)),
        None => platform::real_sigaction(signal, new.as_ref()),
    }
}
