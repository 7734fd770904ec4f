//! Functions by which the program puts a file on a descriptor of its choice. What it chooses as its standard error is
//! noted.

use libc::{FILE, STDERR_FILENO, c_char, c_int};

use crate::hooks::real;
use crate::platform::is_own_process;
use crate::platform::stderr_was_put_there;

pub unsafe fn dup2(old: c_int, new: c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    put(unsafe { real::dup2()(old, new) })
}

pub unsafe fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    put(unsafe { real::dup3()(old, new, flags) })
}

pub unsafe fn freopen(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE {
    // SAFETY: the caller's arguments, as the caller gave them.
    reopened(unsafe { real::freopen()(path, mode, stream) })
}

pub unsafe fn freopen64(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE {
    // SAFETY: the caller's arguments, as the caller gave them.
    reopened(unsafe { real::freopen64()(path, mode, stream) })
}

/// Looks at the descriptor that dup2(2) or dup3(2) has returned, and returns it.
#[inline(always)]
fn put(fd: c_int) -> c_int {
    if fd == STDERR_FILENO {
        remember();
    }
    fd
}

/// Looks at the stream that freopen(3) has returned, and returns it.
fn reopened(stream: *mut FILE) -> *mut FILE {
    /// Offset of `_fileno` in glibc's FILE, in bytes (bits/types/struct_FILE.h). It never changes: old programs have it
    /// compiled in.
    const DESCRIPTOR: usize = 112;
    // SAFETY: freopen has returned an open stream or null.
    if !stream.is_null() && unsafe { stream.byte_add(DESCRIPTOR).cast::<c_int>().read() } == STDERR_FILENO {
        remember();
    }
    stream
}

/// Notes it, unless the caller is a child by vfork(2), which has descriptors of its own in its parent's memory.
#[cold]
fn remember() {
    if is_own_process() {
        stderr_was_put_there();
    }
}
