//! posix_spawn(2) has an attribute for which signals its child starts with at their default action.

use core::mem::MaybeUninit;
use core::ptr;

use libc::{c_int, c_short, posix_spawnattr_t, sigset_t};

/// Calls `spawn` with attributes with which the child starts with `signal` at its default action; `None`, without a call, where the
/// program's attributes don't say so.
pub(crate) fn spawn_with_default(
    signal: c_int,
    attributes: *const posix_spawnattr_t,
    spawn: impl FnOnce(*const posix_spawnattr_t) -> c_int,
) -> Option<c_int> {
    let set: sigset_t = 1 << (signal - 1);
    if !attributes.is_null() {
        let mut flags: c_short = 0;
        let mut defaults: sigset_t = 0;
        // SAFETY: the program's attributes, initialised as posix_spawn demands; what is written is ours.
        unsafe {
            libc::posix_spawnattr_getflags(attributes, &raw mut flags);
            libc::posix_spawnattr_getsigdefault(attributes, &raw mut defaults);
        }
        // They are not changed: the program may be using them in another thread.
        let said = c_int::from(flags) & libc::POSIX_SPAWN_SETSIGDEF != 0 && defaults & set != 0;
        return said.then(|| spawn(attributes));
    }
    let mut ours = MaybeUninit::<posix_spawnattr_t>::new(ptr::null_mut());
    // SAFETY: the attributes are ours, used only once init has succeeded, and given back.
    unsafe {
        if libc::posix_spawnattr_init(ours.as_mut_ptr()) != 0 {
            return None;
        }
        let ready = libc::posix_spawnattr_setflags(ours.as_mut_ptr(), libc::POSIX_SPAWN_SETSIGDEF as c_short) == 0
            && libc::posix_spawnattr_setsigdefault(ours.as_mut_ptr(), &raw const set) == 0;
        let result = ready.then(|| spawn(ours.as_ptr()));
        libc::posix_spawnattr_destroy(ours.as_mut_ptr());
        result
    }
}
