//! `sigaction` without our hook.

use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libc::{c_int, sigaction as sigaction_t};

use super::delivery;
use crate::hooks::real;
use crate::signals::{Action, Origin};

/// `SA_RESTORER`: set by glibc in every action it gives to an x86_64 kernel, and told back to the program.
pub(super) const SA_RESTORER: c_int = 0x0400_0000;

/// Flags that the kernel keeps (UAPI_SA_FLAGS and the architecture's SA_RESTORER, since Linux 5.11); it drops others.
const KEPT_FLAGS: c_int = libc::SA_NOCLDSTOP
    | libc::SA_NOCLDWAIT
    | libc::SA_SIGINFO
    | libc::SA_ONSTACK
    | libc::SA_RESTART
    | libc::SA_NODEFER
    | libc::SA_RESETHAND
    | 0x800 // SA_EXPOSE_TAGBITS
    | SA_RESTORER;

/// Signals that no action can block.
const UNBLOCKABLE: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);

/// Address of glibc's code that leaves a signal handler: told back to programs with what they have set.
pub(super) static RESTORER: AtomicUsize = AtomicUsize::new(0);

/// Finds out what glibc gives the kernel besides the program's wish. For the constructor.
pub fn learn_restorer(signal: c_int) {
    if RESTORER.load(Relaxed) == 0 {
        RESTORER.store(action(signal).restorer, Relaxed);
    }
}

/// Gives the kernel an action. Can't fail for the signals that we own.
pub fn set_action(signal: c_int, action: &Action) {
    let _ = real_sigaction(signal, Some(action));
}

/// Gives the kernel an action and returns the one before.
pub fn exchange_action(signal: c_int, action: &Action) -> Action {
    real_sigaction(signal, Some(action)).unwrap_or(Action::plain(libc::SIG_DFL))
}

/// The action that the kernel has.
pub fn action(signal: c_int) -> Action {
    real_sigaction(signal, None).unwrap_or(Action::plain(libc::SIG_DFL))
}

/// sigaction(2) itself; `None` with errno set when it failed. A handler runs where it would run without us.
pub fn real_sigaction(signal: c_int, new: Option<&Action>) -> Option<Action> {
    if let Some(answer) = delivery::relay_action(signal, new) {
        return answer;
    }
    let before = next_sigaction(signal, new)?;
    if let Some(new) = new {
        delivery::relay_after(signal, new);
    }
    Some(delivery::without_relay(before, signal))
}

fn next_sigaction(signal: c_int, new: Option<&Action>) -> Option<Action> {
    let mut native = MaybeUninit::<sigaction_t>::zeroed();
    let mut old = MaybeUninit::<sigaction_t>::zeroed();
    // SAFETY: the structures are ours, all zero bytes are a valid sigaction, and the real function writes a whole one
    // or nothing.
    unsafe {
        let new = new.map_or(ptr::null(), |new| {
            write(native.as_mut_ptr(), new);
            native.as_ptr()
        });
        (real::sigaction()(signal, new, old.as_mut_ptr()) == 0).then(|| read(old.as_ptr()))
    }
}

/// Reads an action out of the program's structure.
///
/// # Safety
/// `native` points to a sigaction. As in libc, a wild pointer is the caller's SIGSEGV.
pub unsafe fn read(native: *const sigaction_t) -> Action {
    // SAFETY: as promised; the first eight bytes of a sigset_t are the kernel's set.
    unsafe {
        Action {
            handler: (*native).sa_sigaction,
            flags: (*native).sa_flags,
            mask: (&raw const (*native).sa_mask).cast::<u64>().read(),
            restorer: (*native).sa_restorer.map_or(0, |restorer| restorer as usize),
            origin: Origin::Program,
        }
    }
}

/// Writes an action into the program's structure, as the real function does.
///
/// # Safety
/// `native` points to a sigaction that may be written. As in libc, a wild pointer is the caller's SIGSEGV.
pub unsafe fn write(native: *mut sigaction_t, action: &Action) {
    // SAFETY: as promised. `sa_restorer` is an Option<fn>, for which every address is a valid value and 0 is None; it
    // is written as a number so that no function pointer has to be made of it.
    unsafe {
        (*native).sa_sigaction = action.handler;
        (*native).sa_flags = action.flags;
        (&raw mut (*native).sa_mask).cast::<u64>().write(action.mask);
        (&raw mut (*native).sa_restorer).cast::<usize>().write(action.restorer);
    }
}

/// What the kernel would keep, and glibc would tell back, of an action that the program sets.
pub fn as_kept(action: Action) -> Action {
    Action {
        flags: (action.flags | SA_RESTORER) & KEPT_FLAGS,
        mask: action.mask & !UNBLOCKABLE,
        restorer: RESTORER.load(Relaxed),
        ..action
    }
}

/// Highest signal number, SIGRTMAX.
pub const LAST_SIGNAL: c_int = 64;

/// What sysv_signal(3) sets: one signal, no restart, nothing blocked. The last is SA_INTERRUPT, which the kernel ignores.
pub const SYSTEM_V_FLAGS: c_int = libc::SA_RESETHAND | libc::SA_NODEFER | 0x2000_0000;

/// What signal(3) blocks while its handler runs: the signal itself stands in its mask (sysdeps/posix/signal.c of glibc).
pub fn mask_of_signal(signal: c_int) -> u64 {
    mask_of(signal)
}

/// The set of one signal; empty when there is no such signal.
pub fn mask_of(signal: c_int) -> u64 {
    u32::try_from(signal - 1).ok().and_then(|shift| 1u64.checked_shl(shift)).unwrap_or(0)
}
