//! What both systems do in the same way, by functions that POSIX has.

use core::mem::MaybeUninit;
use core::ptr;

use libc::c_int;

use super::{errno, set_errno};

/// Room for a path, without the cost of clearing it.
pub type PathBuffer = [MaybeUninit<u8>; libc::PATH_MAX as usize];

/// The last part of a path.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&c| c == b'/').next().unwrap_or_default()
}

/// Runs `body` and leaves errno as it was.
pub fn keeping_errno<T>(body: impl FnOnce() -> T) -> T {
    let before = errno();
    let value = body();
    set_errno(before);
    value
}

/// Seconds and nanoseconds since 1970.
pub fn time_of_day() -> (i64, u32) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    (now.tv_sec, now.tv_nsec as u32)
}

/// Fresh memory, zeroed when it is first touched; null when there is none.
pub fn map(size: usize, protection: c_int, sharing: c_int) -> *mut u8 {
    // SAFETY: a new anonymous mapping touches nothing that exists.
    let memory = unsafe { libc::mmap(ptr::null_mut(), size, protection, sharing | libc::MAP_ANON, -1, 0) };
    if memory == libc::MAP_FAILED { ptr::null_mut() } else { memory.cast() }
}

/// Gives memory of [`map`] back.
///
/// # Safety
/// Nobody uses it any more.
pub unsafe fn unmap(memory: *mut u8, size: usize) {
    // SAFETY: the caller promises memory of `map` that nobody uses any more.
    unsafe { libc::munmap(memory.cast(), size) };
}

/// Changes what may be done with whole pages; whether that worked.
///
/// # Safety
/// The pages are ours.
pub unsafe fn protect(memory: *mut u8, size: usize, protection: c_int) -> bool {
    // SAFETY: the caller promises that the pages are ours.
    unsafe { libc::mprotect(memory.cast(), size, protection) == 0 }
}
