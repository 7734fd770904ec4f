//! write(2) and writev(2), only to count broken pipes, which no signal tells of here.

use libc::{c_int, c_void, iovec, size_t, ssize_t};

use crate::hooks::real;
use crate::platform::{errno, is_socket, keeping_errno};
use crate::sigpipe;
use crate::state::Call;

pub unsafe fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    written(Call::Write, fd, unsafe { real::write()(fd, data, length) })
}

pub unsafe fn write_nocancel(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    written(Call::Write, fd, unsafe { real::write_nocancel()(fd, data, length) })
}

pub unsafe fn writev(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    written(Call::Writev, fd, unsafe { real::writev()(fd, vectors, count) })
}

pub unsafe fn writev_nocancel(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    written(Call::Writev, fd, unsafe { real::writev_nocancel()(fd, vectors, count) })
}

#[inline(always)]
fn written(call: Call, fd: c_int, result: ssize_t) -> ssize_t {
    if result == -1 {
        failed(call, fd);
    }
    result
}

#[cold]
fn failed(call: Call, fd: c_int) {
    let survived = || is_socket(fd) == Some(true) || sigpipe::SIGNAL.believed().handler == libc::SIG_IGN;
    if errno() == libc::EPIPE && sigpipe::flag() != 0 && keeping_errno(survived) {
        sigpipe::failed_send(call, fd);
    }
}
