//! Files that the program puts on a descriptor of its choice: whether it chooses standard error.

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

#[inline(always)]
fn put(fd: c_int) -> c_int {
    if fd == STDERR_FILENO {
        remember();
    }
    fd
}

fn reopened(stream: *mut FILE) -> *mut FILE {
    /// Where glibc's FILE has the descriptor, which programs of old have compiled in.
    const DESCRIPTOR: usize = 112;
    // SAFETY: a stream that is open, when not null.
    if !stream.is_null() && unsafe { stream.byte_add(DESCRIPTOR).cast::<c_int>().read() } == STDERR_FILENO {
        remember();
    }
    stream
}

/// A vforked child has descriptors of its own, but not the memory to remember them in.
#[cold]
fn remember() {
    if is_own_process() {
        stderr_was_put_there();
    }
}
