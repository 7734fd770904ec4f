//! write(2) and writev(2): they count broken pipes, which no signal does here, and write to sockets that have refused the option by
//! send(2), which has a flag against the signal.

use core::ptr;

use libc::{c_int, c_void, iovec, msghdr, size_t, ssize_t};

use crate::hooks::real;
use crate::platform::{NOSIGNAL, errno, forget_refusal, has_refused, is_socket, keeping_errno, set_errno};
use crate::sigpipe;
use crate::state::Call;

/// Vectors that a call takes, at most (UIO_MAXIOV). For more, writev(2) and sendmsg(2) return different errors.
const MOST_VECTORS: c_int = 1024;

pub unsafe fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them; both calls read the data alike.
    unsafe {
        let send = || real::sendto()(fd, data, length, NOSIGNAL, ptr::null(), 0);
        written(Call::Write, fd, c_int::try_from(length).is_ok(), send, || real::write()(fd, data, length))
    }
}

pub unsafe fn write_nocancel(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: as in `write`.
    unsafe {
        let send = || real::sendto_nocancel()(fd, data, length, NOSIGNAL, ptr::null(), 0);
        written(Call::Write, fd, c_int::try_from(length).is_ok(), send, || real::write_nocancel()(fd, data, length))
    }
}

pub unsafe fn writev(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them; both calls read the vectors alike.
    unsafe {
        let send = || real::sendmsg()(fd, &message(vectors, count), NOSIGNAL);
        written(Call::Writev, fd, (1..=MOST_VECTORS).contains(&count), send, || real::writev()(fd, vectors, count))
    }
}

pub unsafe fn writev_nocancel(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: as in `writev`.
    unsafe {
        let send = || real::sendmsg_nocancel()(fd, &message(vectors, count), NOSIGNAL);
        let write = || real::writev_nocancel()(fd, vectors, count);
        written(Call::Writev, fd, (1..=MOST_VECTORS).contains(&count), send, write)
    }
}

/// A message of these vectors, for sendmsg(2).
fn message(vectors: *const iovec, count: c_int) -> msghdr {
    msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: vectors.cast_mut(),
        msg_iovlen: count,
        msg_control: ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    }
}

/// Writes. `can_send` says whether `send` does the same to a socket as `write`, errors included.
#[inline(always)]
fn written(
    call: Call,
    fd: c_int,
    can_send: bool,
    send: impl FnOnce() -> ssize_t,
    write: impl FnOnce() -> ssize_t,
) -> ssize_t {
    if has_refused(fd)
        && can_send
        && let Some(result) = sent(call, fd, send)
    {
        return result;
    }
    let result = write();
    if result == -1 {
        failed(call, fd);
    }
    result
}

/// Sends to a socket that has refused the option; `None`, with nothing done, when the descriptor is no socket any more.
#[cold]
#[inline(never)]
fn sent(call: Call, fd: c_int, send: impl FnOnce() -> ssize_t) -> Option<ssize_t> {
    let before = errno();
    let result = send();
    if result == -1 {
        if errno() == libc::ENOTSOCK {
            forget_refusal(fd);
            set_errno(before);
            return None;
        }
        failed(call, fd);
    }
    Some(result)
}

#[cold]
#[inline(never)]
fn failed(call: Call, fd: c_int) {
    let survived = || is_socket(fd) == Some(true) || sigpipe::SIGNAL.believed().handler == libc::SIG_IGN;
    if errno() == libc::EPIPE && sigpipe::flag() != 0 && keeping_errno(survived) {
        sigpipe::failed_send(call, fd);
    }
}
