//! `sigaction` without our hook.

use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libc::{SIG_IGN, SIGPIPE, c_int, sigaction as sigaction_t, sigset_t};

use crate::platform::Action;

/// Flags that the kernel keeps for a signal other than SIGCHLD (bsd/kern/kern_sig.c, sigaction); it drops others.
const KEPT_FLAGS: c_int =
    libc::SA_ONSTACK | libc::SA_RESTART | libc::SA_RESETHAND | libc::SA_NODEFER | libc::SA_SIGINFO;

/// Signals that no action can block.
const UNBLOCKABLE: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);

/// The mask of a SIG_IGN that the program has not asked for, where it has no effect. (On Linux, `sa_restorer` marks it.)
const MARK: u64 = 1 << (SIGPIPE - 1);

/// [`Action::restorer`] of the last action that was told to the program with that mask.
static MARKED: AtomicUsize = AtomicUsize::new(0);

/// Finds out what libc gives the kernel as `sa_restorer`: there is none here.
pub fn learn_restorer(_signal: c_int) {}

/// Gives the kernel an action. Can't fail for the signals that we own.
pub fn set_action(signal: c_int, action: &Action) -> bool {
    real_sigaction(signal, Some(action)).is_some()
}

/// Gives the kernel an action as the program has set it.
pub fn show_action(signal: c_int, action: &Action) {
    set_action(signal, action);
}

/// Whether another library's `sigaction` comes between ours and libSystem's: dyld calls libSystem's for us.
pub fn is_sigaction_behind() -> bool {
    false
}

/// Gives the kernel an action and returns the one before.
pub fn exchange_action(signal: c_int, action: &Action) -> Action {
    real_sigaction(signal, Some(action)).unwrap_or(Action::plain(libc::SIG_DFL))
}

/// The action that the kernel has.
pub fn action(signal: c_int) -> Action {
    real_sigaction(signal, None).unwrap_or(Action::plain(libc::SIG_DFL))
}

/// sigaction(2) itself; `None` with errno set when it failed.
pub fn real_sigaction(signal: c_int, new: Option<&Action>) -> Option<Action> {
    let mut native = MaybeUninit::<sigaction_t>::zeroed();
    let mut old = MaybeUninit::<sigaction_t>::zeroed();
    // SAFETY: the structures are ours, all zero bytes are a valid sigaction, and the real function writes a whole one
    // or nothing.
    unsafe {
        let new = new.map_or(ptr::null(), |new| {
            fill(native.as_mut_ptr(), new);
            native.as_ptr()
        });
        (libc::sigaction(signal, new, old.as_mut_ptr()) == 0).then(|| read(old.as_ptr()))
    }
}

/// Reads an action out of the program's structure.
///
/// # Safety
/// `native` points to a sigaction. As in libc, a wild pointer is the caller's SIGSEGV.
pub unsafe fn read(native: *const sigaction_t) -> Action {
    // SAFETY: the caller promises a sigaction.
    let (handler, flags, mask) = unsafe { ((*native).sa_sigaction, (*native).sa_flags, u64::from((*native).sa_mask)) };
    let restorer = if handler == SIG_IGN && mask == MARK { MARKED.load(Relaxed) } else { 0 };
    Action { handler, flags, mask, restorer }
}

/// Writes an action into the program's structure, as the real function does.
///
/// # Safety
/// `native` points to a sigaction that may be written. As in libc, a wild pointer is the caller's SIGSEGV.
pub unsafe fn write(native: *mut sigaction_t, action: &Action) {
    let told = if action.handler == SIG_IGN && action.restorer != 0 {
        MARKED.store(action.restorer, Relaxed);
        Action { mask: MARK, ..*action }
    } else {
        *action
    };
    // SAFETY: the caller promises a sigaction that may be written.
    unsafe { fill(native, &told) };
}

/// # Safety
/// `native` points to a sigaction that may be written.
unsafe fn fill(native: *mut sigaction_t, action: &Action) {
    // SAFETY: the caller promises a sigaction that may be written.
    unsafe {
        (*native).sa_sigaction = action.handler;
        (*native).sa_flags = action.flags;
        (*native).sa_mask = action.mask as sigset_t;
    }
}

/// What the kernel would keep, and tell back, of an action that the program sets.
pub fn as_kept(action: Action) -> Action {
    Action { flags: action.flags & KEPT_FLAGS, mask: action.mask & !UNBLOCKABLE, restorer: 0, ..action }
}

/// Highest signal number, SIGUSR2.
pub const LAST_SIGNAL: c_int = 31;

/// What signal(3) blocks while its handler runs, besides the signal itself: its mask is empty (gen/FreeBSD/signal.c of Libc).
pub fn mask_of_signal(_signal: c_int) -> u64 {
    0
}

/// The set of one signal; empty when there is no such signal.
pub fn mask_of(signal: c_int) -> u64 {
    u32::try_from(signal - 1).ok().and_then(|shift| 1u64.checked_shl(shift)).unwrap_or(0)
}

/// Nothing is done for handlers here: they run on our alternate stacks, which are as large as a program's own.
pub fn prepare_to_relay(_stack_size: usize, _crash_handler: usize) {}
