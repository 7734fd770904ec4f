//! Sockets: the functions that Linux has and macOS lacks.

use libc::{c_int, c_uint, mmsghdr, sockaddr, socklen_t};

use crate::hooks::real;
use crate::hooks::socket::{accepted, without_signal};

pub unsafe fn accept4(fd: c_int, address: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    accepted(unsafe { real::accept4()(fd, address, length, flags) })
}

pub unsafe fn sendmmsg(fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them but for the flag.
    without_signal!(Sendmmsg, fd, flags, unsafe { real::sendmmsg()(fd, messages, count, flags) })
}
