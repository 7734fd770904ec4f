//! Bodies of the hooks that only macOS has.

use libc::{c_int, c_void, iovec, msghdr, size_t, ssize_t};

use crate::hooks::real;
use crate::platform::{configure_socket, errno, is_socket, keeping_errno};
use crate::sigpipe;
use crate::state::Call;

/// Descriptors may come with a message (SCM_RIGHTS), and sockets among them.
pub unsafe fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    let received = unsafe { real::recvmsg()(fd, message, flags) };
    // SAFETY: on success the kernel has filled the caller's message.
    if received >= 0 && unsafe { !(*message).msg_control.is_null() } && sigpipe::flag() != 0 {
        // SAFETY: as above.
        unsafe { configure_received(message) };
    }
    received
}

/// # Safety
/// The kernel has filled the message.
#[cold]
unsafe fn configure_received(message: *const msghdr) {
    // SAFETY: msg_control has msg_controllen bytes that the kernel has written; libc's CMSG functions stay within, and
    // a descriptor is only read where it lies within as a whole, since the last header may tell of more than fitted.
    unsafe {
        let end = (*message).msg_control.byte_add((*message).msg_controllen as usize).cast::<u8>();
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let length = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let data = libc::CMSG_DATA(header);
                for at in (0..length / size_of::<c_int>()).map(|index| data.add(index * size_of::<c_int>())) {
                    if at.add(size_of::<c_int>()) <= end {
                        configure_socket(at.cast::<c_int>().read_unaligned());
                    }
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

/// Only to count broken pipes, which no signal tells of here.
pub unsafe fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    let written = unsafe { real::write()(fd, data, length) };
    if written == -1 {
        failed(Call::Write, fd);
    }
    written
}

/// Like [`write`].
pub unsafe fn writev(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    let written = unsafe { real::writev()(fd, vectors, count) };
    if written == -1 {
        failed(Call::Writev, fd);
    }
    written
}

#[cold]
fn failed(call: Call, fd: c_int) {
    let survived = || is_socket(fd) == Some(true) || sigpipe::SIGNAL.believed().handler == libc::SIG_IGN;
    if errno() == libc::EPIPE && sigpipe::flag() != 0 && keeping_errno(survived) {
        sigpipe::failed_send(call, fd);
    }
}
