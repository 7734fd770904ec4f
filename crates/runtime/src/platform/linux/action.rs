//! `sigaction` without our hook: the next library's function for what the program sets, and the system call for what we set.

use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use libc::{c_int, sigaction as sigaction_t};

use super::next::{Answer, Library, Name, libraries};
use super::{delivery, system_call};
use crate::arch;
use crate::platform::Action;

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
    | if arch::LIBC_SETS_RESTORER { SA_RESTORER } else { 0 };

/// Signals that no action can block.
const UNBLOCKABLE: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1);

/// Address of glibc's code that leaves a signal handler: told back to programs with what they have set.
pub(super) static RESTORER: AtomicUsize = AtomicUsize::new(0);

/// Finds out what glibc gives the kernel as `sa_restorer`: has glibc's `sigaction` set the action that the kernel already has, and
/// reads that back. For the constructor, before it sets any action.
pub fn learn_restorer(signal: c_int) {
    if RESTORER.load(Relaxed) != 0 {
        return;
    }
    if !arch::LIBC_SETS_RESTORER {
        RESTORER.store(arch::restorer as *const () as usize, Relaxed);
        return;
    }
    if let (Some(of_libc), Some(now)) = (sigaction_of_libc(), in_kernel(signal, None, false)) {
        let mut native = MaybeUninit::<sigaction_t>::zeroed();
        // SAFETY: the structure is ours, and all zero bytes are a valid sigaction.
        unsafe {
            write(native.as_mut_ptr(), &now);
            of_libc(signal, native.as_ptr(), ptr::null_mut());
        }
    }
    let found = in_kernel(signal, None, false).map_or(0, |action| action.restorer);
    RESTORER.store(if found == 0 { arch::restorer as *const () as usize } else { found }, Relaxed);
}

/// What libc tells a program as `sa_restorer`.
pub(super) fn told_restorer() -> usize {
    if arch::LIBC_SETS_RESTORER { RESTORER.load(Relaxed) } else { 0 }
}

/// The next library's function, behind our hook.
pub(super) mod real_sigaction {
    use libc::{c_int, sigaction as sigaction_t};

    super::super::real_function! { Errno sigaction(signal: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int }
    super::super::looked_up_at_load! {}
}

type Sigaction = unsafe extern "C" fn(c_int, *const sigaction_t, *mut sigaction_t) -> c_int;

const SIGACTION: Name = Name::new("sigaction\0");

/// Whether a library has libc's functions.
fn is_libc(library: &Library) -> bool {
    const OF_LIBC: Name = Name::new("gnu_get_libc_version\0");
    !matches!(library.find(&OF_LIBC), Answer::Unknown)
}

fn sigaction_of_libc() -> Option<Sigaction> {
    if !is_sigaction_behind() {
        return Some(real_sigaction::real());
    }
    let libc = libraries().flatten().find(is_libc)?;
    match libc.find(&SIGACTION) {
        // SAFETY: libc's function of this name.
        Answer::Function(address) => Some(unsafe { core::mem::transmute::<*mut (), Sigaction>(address) }),
        _ => None,
    }
}

/// Whether another library's `sigaction` comes between ours and libc's (libjsig's, or a sanitizer's): that one has to be called for
/// what the program sets, and not for what we set.
pub fn is_sigaction_behind() -> bool {
    /// 0 until it is known, else 1 for libc's and 2 for another's. No library comes in between later.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut next = NEXT.load(Relaxed);
    if next == 0 {
        let found = libraries().flatten().find(|library| !matches!(library.find(&SIGACTION), Answer::Unknown));
        next = if found.is_none_or(|library| is_libc(&library)) { 1 } else { 2 };
        NEXT.store(next, Relaxed);
    }
    next == 2
}

/// Gives the kernel an action, by the system call itself. For the signals that we own it fails only where a filter forbids that.
pub fn set_action(signal: c_int, action: &Action) -> bool {
    exchange(signal, action).is_some()
}

/// The same, returning the one before.
pub fn exchange_action(signal: c_int, action: &Action) -> Action {
    exchange(signal, action).unwrap_or(Action::plain(libc::SIG_DFL))
}

#[inline(never)]
fn exchange(signal: c_int, action: &Action) -> Option<Action> {
    in_kernel(signal, Some(action), delivery::is_relayed(signal, action))
}

/// Gives the kernel an action as the program has set it, for another library to find.
pub fn show_action(signal: c_int, action: &Action) {
    in_kernel(signal, Some(action), false);
}

/// The action that the kernel has.
pub fn action(signal: c_int) -> Action {
    in_kernel(signal, None, false).unwrap_or(Action::plain(libc::SIG_DFL))
}

/// sigaction(2) for the program, by the next library's function. `None` with errno set when it failed. The handler runs on the stack
/// where it would run without us.
pub fn real_sigaction(signal: c_int, new: Option<&Action>) -> Option<Action> {
    let relayed = new.is_some_and(|new| delivery::is_relayed(signal, new));
    if !delivery::is_active() {
        return next_sigaction(signal, new);
    }
    if !is_sigaction_behind() {
        return in_kernel(signal, new, relayed);
    }
    // The other library may read the action from the kernel: without our relay, that is what the program has set.
    if let Some(now) = in_kernel(signal, None, false) {
        in_kernel(signal, Some(&now), false);
    }
    let before = next_sigaction(signal, new);
    if let Some(now) = in_kernel(signal, None, false)
        && delivery::is_relayed(signal, &now)
    {
        in_kernel(signal, Some(&now), true);
    }
    before
}

/// rt_sigaction(2), as sigaction(3) calls it. `relayed` says whether to put the relay of [`delivery::relay_of`] in front of the
/// handler; the action that is returned is without it.
#[inline(never)]
pub(super) fn in_kernel(signal: c_int, new: Option<&Action>, relayed: bool) -> Option<Action> {
    /// Signals that glibc keeps for itself: SIGCANCEL and SIGSETXID.
    const INTERNAL: [c_int; 2] = [32, 33];
    if INTERNAL.contains(&signal) {
        super::set_errno(libc::EINVAL);
        return None;
    }
    let native = new.map(|new| {
        let known = RESTORER.load(Relaxed);
        let restorer = if known == 0 { arch::restorer as *const () as usize } else { known };
        let mut native = [new.handler, (new.flags | SA_RESTORER) as u32 as usize, restorer, new.mask as usize];
        if !arch::LIBC_SETS_RESTORER {
            native = [new.handler, (new.flags & !SA_RESTORER) as u32 as usize, 0, new.mask as usize];
        }
        if relayed { delivery::relay_of(signal, new, native) } else { native }
    });
    let mut old = [0usize; 4];
    let new = native.as_ref().map_or(0, |native| native.as_ptr().expose_provenance());
    let arguments = [signal.into(), new as _, old.as_mut_ptr().expose_provenance() as _, size_of::<u64>() as _, 0, 0];
    // SAFETY: both are of the kernel's layout, and ours.
    if unsafe { system_call(libc::SYS_rt_sigaction, arguments) } != 0 {
        return None;
    }
    let [handler, flags, restorer, mask] = old;
    let old = Action { handler, flags: flags as c_int, mask: mask as u64, restorer };
    Some(delivery::without_relay(old, signal))
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
        (real_sigaction::real()(signal, new, old.as_mut_ptr()) == 0).then(|| read(old.as_ptr()))
    }
}

/// Reads an action out of the program's structure.
///
/// # Safety
/// `native` points to a sigaction. As in libc, a wild pointer is the caller's SIGSEGV.
pub unsafe fn read(native: *const sigaction_t) -> Action {
    // SAFETY: the caller promises a sigaction; the first eight bytes of a sigset_t are the kernel's set.
    unsafe {
        Action {
            handler: (*native).sa_sigaction,
            flags: (*native).sa_flags,
            mask: (&raw const (*native).sa_mask).cast::<u64>().read(),
            restorer: (*native).sa_restorer.map_or(0, |restorer| restorer as usize),
        }
    }
}

/// Writes an action into the program's structure, as the real function does.
///
/// # Safety
/// `native` points to a sigaction that may be written. As in libc, a wild pointer is the caller's SIGSEGV.
pub unsafe fn write(native: *mut sigaction_t, action: &Action) {
    // SAFETY: the caller promises a sigaction. `sa_restorer` is an Option<fn>, for which every address is a valid value and 0 is None; it
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
        restorer: told_restorer(),
        ..action
    }
}

/// Highest signal number, SIGRTMAX.
pub const LAST_SIGNAL: c_int = 64;

/// Obsolete flag that glibc sets and the kernel ignores (asm-generic/signal-defs.h, and SA_INTERRUPT of bits/sigaction.h).
const SA_INTERRUPT: c_int = 0x2000_0000;

/// Flags that sysv_signal(3) sets.
pub const SYSTEM_V_FLAGS: c_int = libc::SA_RESETHAND | libc::SA_NODEFER | SA_INTERRUPT;

/// What signal(3) blocks while its handler runs: the signal itself stands in its mask (sysdeps/posix/signal.c of glibc).
pub fn mask_of_signal(signal: c_int) -> u64 {
    mask_of(signal)
}

/// The set of one signal; empty when there is no such signal.
pub fn mask_of(signal: c_int) -> u64 {
    u32::try_from(signal - 1).ok().and_then(|shift| 1u64.checked_shl(shift)).unwrap_or(0)
}
