//! Sockets: the other ways in which one can come into the process here, and the `$NOCANCEL` variants.

use libc::{c_char, c_int, c_void, mach_port_t, msghdr, size_t, sockaddr, socklen_t, ssize_t};

use crate::hooks::real;
use crate::hooks::socket::{accepted, without_signal};
use crate::sigpipe;

pub unsafe fn accept_nocancel(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    accepted(unsafe { real::accept_nocancel()(fd, address, length) })
}

/// A descriptor that has come with a Mach message.
pub unsafe fn fileport_makefd(port: mach_port_t) -> c_int {
    // SAFETY: no pointers.
    arrived(unsafe { real::fileport_makefd()(port) })
}

/// A descriptor that has come with an XPC message. On Apple silicon the XPC library's own call of fileport_makefd is not interposed.
pub unsafe fn xpc_fd_dup(object: *mut c_void) -> c_int {
    // SAFETY: the caller's argument, as the caller gave it.
    arrived(unsafe { real::xpc_fd_dup()(object) })
}

pub unsafe fn xpc_dictionary_dup_fd(dictionary: *mut c_void, key: *const c_char) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    arrived(unsafe { real::xpc_dictionary_dup_fd()(dictionary, key) })
}

/// What is done to a descriptor that has come from another process.
fn arrived(fd: c_int) -> c_int {
    if fd >= 0 {
        sigpipe::configure_socket(fd);
    }
    fd
}

/// Descriptors may come with a message (SCM_RIGHTS), and sockets among them.
pub unsafe fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { received(real::recvmsg()(fd, message, flags), message) }
}

pub unsafe fn recvmsg_nocancel(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { received(real::recvmsg_nocancel()(fd, message, flags), message) }
}

/// # Safety
/// `message` is what recvmsg(2) was called with when it returned `result`.
#[inline(always)]
unsafe fn received(result: ssize_t, message: *const msghdr) -> ssize_t {
    // SAFETY: on success the kernel has filled the caller's message.
    if result >= 0 && unsafe { !(*message).msg_control.is_null() } && sigpipe::flag() != 0 {
        // SAFETY: recvmsg(2) has succeeded, so the kernel has filled the caller's message.
        unsafe { configure_received(message) };
    }
    result
}

/// # Safety
/// The kernel has filled the message.
#[cold]
unsafe fn configure_received(message: *const msghdr) {
    // SAFETY: msg_control has msg_controllen bytes that the kernel has written, and libc's CMSG functions stay within them. A
    // descriptor is read only if all of it lies within: the last header's length may be that of more than had room.
    unsafe {
        let end = (*message).msg_control.byte_add((*message).msg_controllen as usize).cast::<u8>();
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let length = ((*header).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
                let data = libc::CMSG_DATA(header);
                for at in (0..length / size_of::<c_int>()).map(|index| data.add(index * size_of::<c_int>())) {
                    if at.add(size_of::<c_int>()) <= end {
                        sigpipe::configure_socket(at.cast::<c_int>().read_unaligned());
                    }
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
}

pub unsafe fn send_nocancel(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them but for the flag.
    without_signal!(Send, fd, flags, unsafe { real::send_nocancel()(fd, data, length, flags) })
}

pub unsafe fn sendto_nocancel(
    fd: c_int,
    data: *const c_void,
    length: size_t,
    flags: c_int,
    to: *const sockaddr,
    to_length: socklen_t,
) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them but for the flag.
    without_signal!(Sendto, fd, flags, unsafe { real::sendto_nocancel()(fd, data, length, flags, to, to_length) })
}

pub unsafe fn sendmsg_nocancel(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the caller's arguments, as the caller gave them but for the flag.
    without_signal!(Sendmsg, fd, flags, unsafe { real::sendmsg_nocancel()(fd, message, flags) })
}
