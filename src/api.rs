//! What include/nosigpipe.h declares, for programs that can link.

use libc::{c_int, c_void, size_t, ssize_t};

use runtime::hooks::real;
use runtime::platform;

/// Makes a socket raise no SIGPIPE where an option can do that (macOS: SO_NOSIGPIPE, setsockopt(2)). On Linux, where
/// none can, it only checks that `fd` is a socket.
///
/// Returns 0, or -1 with errno set: EBADF, ENOTSOCK.
#[unsafe(no_mangle)]
pub extern "C" fn nosigpipe_configure_socket(fd: c_int) -> c_int {
    platform::configure_socket_or_fail(fd)
}

/// send(2) that raises no SIGPIPE: a broken connection is -1 with errno EPIPE. Bytes, flags and all other errors are
/// send(2)'s.
///
/// # Safety
/// `data` points to `length` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nosigpipe_send(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller promises the bytes.
    unsafe { real::send()(fd, data, length, flags | platform::NOSIGNAL) }
}
