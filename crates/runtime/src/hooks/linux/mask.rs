//! The signals that a thread blocks. Where it blocks (nearly) all of them, the kernel gets a mask without those of
//! faults ([`reduced`]), so that a crash is reported.

use core::mem::MaybeUninit;

use libc::{SIG_BLOCK, SIG_SETMASK, SIG_UNBLOCK, c_int, sigset_t};

use crate::hooks::real;
use crate::platform::{self, are_masks_reduced, as_program_set, is_nearly_full, reduced};

/// pthread_sigmask(3) or sigprocmask(2), which differ only in how they return errors.
type Change = unsafe extern "C" fn(c_int, *const sigset_t, *mut sigset_t) -> c_int;

pub unsafe fn pthread_sigmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { change(real::pthread_sigmask(), how, set, old) }
}

pub unsafe fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { change(real::sigprocmask(), how, set, old) }
}

pub unsafe fn sighold(signal: c_int) -> c_int {
    change_one(SIG_BLOCK, signal)
}

pub unsafe fn sigrelse(signal: c_int) -> c_int {
    change_one(SIG_UNBLOCK, signal)
}

/// What sighold(3) and sigrelse(3) do: 0, or -1 with errno EINVAL.
fn change_one(how: c_int, signal: c_int) -> c_int {
    // glibc keeps 32 and 33 for its threads, and refuses them here.
    if !(1..=platform::LAST_SIGNAL).contains(&signal) || matches!(signal, 32 | 33) {
        platform::set_errno(libc::EINVAL);
        return -1;
    }
    platform::change_mask(how, signal);
    0
}

pub unsafe fn sigblock(mask: c_int) -> c_int {
    change_by_bsd(SIG_BLOCK, mask)
}

pub unsafe fn siggetmask() -> c_int {
    change_by_bsd(SIG_BLOCK, 0)
}

pub unsafe fn sigsetmask(mask: c_int) -> c_int {
    change_by_bsd(SIG_SETMASK, mask)
}

/// What sigblock(3) and its like do: sets a mask of the first 32 signals, bit n for signal n + 1, and returns the one
/// before.
fn change_by_bsd(how: c_int, mask: c_int) -> c_int {
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    let mut old = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: both sets are ours, zeroed, and larger than the 8 bytes that are written and read.
    unsafe {
        set.as_mut_ptr().cast::<u64>().write(mask.cast_unsigned().into());
        change(real::sigprocmask(), how, set.as_ptr(), old.as_mut_ptr());
        kernels(old.as_ptr()).read() as c_int
    }
}

/// Calls the real function as it is if neither the old nor the new mask is a reduced one, which is so in nearly all
/// programs.
///
/// # Safety
/// What `real` demands.
#[inline(always)]
unsafe fn change(real: Change, how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them; as in libc, a wild set is the caller's SIGSEGV.
    unsafe {
        if !are_masks_reduced() && (set.is_null() || !is_nearly_full(kernels(set).read())) {
            return real(how, set, old);
        }
        change_and_tell(real, how, set, old)
    }
}

/// The kernel's set, the first eight bytes of libc's.
fn kernels(set: *const sigset_t) -> *const u64 {
    set.cast()
}

/// Changes the mask where the kernel may get another one than the program believes in, and tells the program what it
/// believes.
///
/// Mostly that is one system call. Only after it is it known what was blocked before. If that and `set` together have
/// to be reduced, there is a second one.
///
/// # Safety
/// What `real` demands.
#[cold]
#[inline(never)]
unsafe fn change_and_tell(real: Change, how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    let mut before = MaybeUninit::<sigset_t>::zeroed();
    let mut asked = MaybeUninit::<sigset_t>::zeroed();
    // The caller's `old` goes to the kernel, which says whether it can be written to.
    let old = if old.is_null() { before.as_mut_ptr() } else { old };
    // SAFETY: the caller's arguments, or sets of our own in their place; what was written to by the call can be read.
    unsafe {
        // Read first, since `set` and `old` may be the same memory.
        let requested = (!set.is_null()).then(|| kernels(set).read());
        let given = requested.map(|requested| if how == SIG_UNBLOCK { requested } else { reduced(requested) });
        if let Some(given) = given {
            asked.as_mut_ptr().cast::<u64>().write(given);
        }
        let result = real(how, if given.is_some() { asked.as_ptr() } else { set }, old);
        if result != 0 {
            return result;
        }
        let before = kernels(old).read();
        let believed = as_program_set(before);
        old.cast::<u64>().write(believed);
        if let (Some(requested), Some(given)) = (requested, given) {
            let (wanted, is) = match how {
                SIG_BLOCK => (believed | requested, before | given),
                SIG_UNBLOCK => (believed & !requested, before & !given),
                _ => (requested, given),
            };
            let kernels = reduced(wanted);
            if kernels != is {
                asked.as_mut_ptr().cast::<u64>().write(kernels);
                real(SIG_SETMASK, asked.as_ptr(), core::ptr::null_mut());
            }
        }
        0
    }
}
