//! Two hooks without a library around them.

use libc::{MSG_NOSIGNAL, c_int, c_void, size_t, ssize_t};

redhook::hook! {
    unsafe fn send(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t => hooked_send {
        // SAFETY: the caller's arguments, but for the flag.
        unsafe { redhook::real!(send)(fd, data, length, flags | MSG_NOSIGNAL) }
    }
}

redhook::hook! {
    unsafe fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int => hooked_socket {
        // SAFETY: the caller's arguments.
        unsafe { redhook::real!(socket)(domain, kind, protocol) }
    }
}
