//! signal(2), sigaction(2) and their variants.
//!
//! For the signals whose actions are ours to set, the program is told what it has set itself, whatever the kernel has.
//! All of these functions may be called in signal handlers.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libc::{EINVAL, SA_RESTART, SIG_ERR, SIG_IGN, c_int, sigaction as sigaction_t, sighandler_t};

use super::system::prototypes::SIG_HOLD;
use crate::platform::{self, Action, is_own_process};
use crate::signals::{Origin, Owned, Request};
use crate::{crash, sigpipe};

/// Signals that siginterrupt(3) was asked to let interrupt system calls, bit n for signal n + 1.
static INTERRUPTING: AtomicU64 = AtomicU64::new(0);

/// The signal, if its action is ours to set.
fn owned(signal: c_int) -> Option<&'static Owned> {
    if signal == sigpipe::SIGNAL.signal() {
        return sigpipe::SIGNAL.is_active().then_some(&sigpipe::SIGNAL);
    }
    crash::owned(signal)
}

/// Whether an action that the caller sets is set for the process that our data belongs to: not if the caller is a child
/// that shares our memory and has its own table of actions.
fn is_for_all() -> bool {
    is_own_process() || platform::shares_actions()
}

/// Sets or asks for the action of a signal of ours, where no other library's `sigaction` is behind ours. Keeps errno.
fn change(owned: &Owned, new: Option<Request>) -> Request {
    platform::keeping_errno(|| if is_for_all() { owned.sigaction(new) } else { owned.sigaction_in_vm_child(new) })
}

/// The same where another library's `sigaction` comes between ours and libc's; `None`, with errno set, when that one
/// fails.
#[cold]
fn by_next(owned: &Owned, new: Option<Request>) -> Option<Request> {
    let errno = platform::errno();
    let before = owned.sigaction_by_next(new, !is_for_all())?;
    platform::set_errno(errno);
    Some(before)
}

pub unsafe fn sigaction(signal: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int {
    // SAFETY: the caller's pointers are null or valid, as sigaction(2) demands.
    let requested = (!new.is_null()).then(|| Request::of_program(unsafe { platform::read(new) }));
    let Some(before) = set(signal, requested) else { return -1 };
    if !old.is_null() {
        // SAFETY: `old` is null or valid, as sigaction(2) demands.
        unsafe { platform::write(old, &before) };
    }
    0
}

/// Installs a handler as signal(2) or one of its variants does, with the flags and the mask that this variant sets in
/// libc. `origin` says how it counts: after `Origin::ProgramBySignal` we reset the action of an error signal when the
/// handler has run.
pub fn install(signum: c_int, handler: sighandler_t, flags: c_int, mask: u64, origin: Origin) -> sighandler_t {
    if handler == SIG_ERR {
        platform::set_errno(EINVAL);
        return SIG_ERR;
    }
    let requested = Request { action: Action { flags, mask, ..Action::plain(handler) }, origin };
    set(signum, Some(requested)).map_or(SIG_ERR, |before| before.handler)
}

/// The origin of an action that is set by a variant of signal(2) which the program has chosen by its name, such as
/// sysv_signal(3). For SIGPIPE that is the same as signal(2). The action of an error signal is kept, or reset before
/// the handler runs, exactly as that variant says, and so counts as set by sigaction(2).
pub fn by_name(signum: c_int) -> Origin {
    if signum == sigpipe::SIGNAL.signal() { Origin::ProgramBySignal } else { Origin::Program }
}

pub unsafe fn signal(signum: c_int, handler: sighandler_t) -> sighandler_t {
    install(signum, handler, flags_of(signum), platform::mask_of_signal(signum), Origin::ProgramBySignal)
}

pub use signal as bsd_signal;

pub unsafe fn sigset(number: c_int, disposition: sighandler_t) -> sighandler_t {
    if !(1..=platform::LAST_SIGNAL).contains(&number) {
        platform::set_errno(EINVAL);
        return SIG_ERR;
    }
    // Unlike signal(2), sigset(3) takes SIG_ERR for an address.
    let requested = Request { action: Action::plain(disposition), origin: by_name(number) };
    let Some(before) = set(number, (disposition != SIG_HOLD).then_some(requested)) else { return SIG_ERR };
    let how = if disposition == SIG_HOLD { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    if platform::change_mask(how, number) { SIG_HOLD } else { before.handler }
}

pub unsafe fn sigignore(number: c_int) -> c_int {
    let requested = Request { action: Action::plain(SIG_IGN), origin: by_name(number) };
    if set(number, Some(requested)).is_some() { 0 } else { -1 }
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
    let requested = Request { action: Action { flags, ..current.action }, ..current };
    if set(signal, Some(requested)).is_some() { 0 } else { -1 }
}

/// The flags that signal(2) sets: SA_RESTART, unless siginterrupt(3) has been asked to let the signal interrupt system
/// calls.
fn flags_of(signum: c_int) -> c_int {
    if INTERRUPTING.load(Relaxed) & platform::mask_of(signum) != 0 { 0 } else { SA_RESTART }
}

/// Sets an action, or none, and returns the one before; `None` with errno set when there is no such signal.
fn set(signal: c_int, new: Option<Request>) -> Option<Request> {
    match owned(signal) {
        Some(owned) if platform::is_sigaction_behind() && !crash::is_dying() => by_next(owned, new),
        Some(owned) => Some(change(owned, new)),
        None => {
            let new = new.map(|new| Action { mask: platform::reduced(new.mask), ..new.action });
            let before = platform::real_sigaction(signal, new.as_ref())?;
            Some(Request::of_program(Action { mask: platform::as_program_set(before.mask), ..before }))
        }
    }
}
