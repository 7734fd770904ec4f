//! Sockets: no call on one may raise SIGPIPE.
//!
//! Servers call these for every request. So what only a failure needs is in functions of its own, which are not
//! inlined.

use libc::{c_int, c_void, msghdr, size_t, sockaddr, socklen_t, ssize_t};

use super::real;
use crate::arch::add;
use crate::sigpipe::{configure_socket, failed_send, flag};
use crate::state::{Call, STATE};

pub unsafe fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let fd = unsafe { real::socket()(domain, kind, protocol) };
    if fd >= 0 {
        add::<1>(&STATE.sockets);
        configure_socket(fd);
    }
    fd
}

pub unsafe fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let result = unsafe { real::socketpair()(domain, kind, protocol, pair) };
    if result == 0 {
        add::<2>(&STATE.sockets);
        for end in 0..2 {
            // SAFETY: on success the caller's array has two descriptors.
            configure_socket(unsafe { pair.add(end).read() });
        }
    }
    result
}

pub unsafe fn accept(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    accepted(unsafe { real::accept()(fd, address, length) })
}

/// What follows every kind of accept(2).
#[inline(always)]
pub fn accepted(fd: c_int) -> c_int {
    if fd >= 0 {
        add::<1>(&STATE.accepted);
        configure_socket(fd);
    }
    fd
}

/// Calls a function that sends, with MSG_NOSIGNAL added to its flags. If that fails, [`failed`] decides what is
/// returned.
///
/// The arguments are put into memory for that, with one store each. In registers that a call keeps, each would take two
/// loads and stores in every call: what was in the register has to be saved and restored.
macro_rules! without_signal {
    ($call:ident, $fd:ident, $flags:ident, $real:expr) => {{
        let kept = ($fd, $flags, move |$flags: libc::c_int| $real);
        $crate::arch::keep_in_memory(&kept);
        let result = {
            let $flags = $flags | $crate::sigpipe::flag();
            $real
        };
        if result == -1 { $crate::hooks::socket::failed($crate::state::Call::$call, &kept) } else { result }
    }};
}
pub(crate) use without_signal;

/// After a failure: counts a broken pipe, or calls once more with the program's own flags where the socket's family may
/// have refused MSG_NOSIGNAL. Returns what the call is to return, with errno as it was left.
#[cold]
#[inline(never)]
pub fn failed<T: From<i8>>(call: Call, (fd, flags, real): &(c_int, c_int, impl Fn(c_int) -> T)) -> T {
    // A broken pipe of a caller that passes MSG_NOSIGNAL itself is not counted: it would have survived without us.
    let added = flag() & !flags;
    if added != 0 && failed_send(call, *fd) { real(*flags) } else { T::from(-1) }
}

pub unsafe fn send(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them but for the flag.
    without_signal!(Send, fd, flags, unsafe { real::send()(fd, data, length, flags) })
}

pub unsafe fn sendto(
    fd: c_int,
    data: *const c_void,
    length: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_length: socklen_t,
) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them but for the flag.
    without_signal!(Sendto, fd, flags, unsafe { real::sendto()(fd, data, length, flags, to, to_length) })
}

pub unsafe fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them but for the flag.
    without_signal!(Sendmsg, fd, flags, unsafe { real::sendmsg()(fd, message, flags) })
}
