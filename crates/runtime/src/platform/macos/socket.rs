//! What keeps a socket from raising SIGPIPE: an option, which every later call obeys, write(2) included.
//!
//! The kernel refuses the option on a socket that is already shut down in both directions (bsd/kern/uipc_socket.c,
//! sosetoptlock: EINVAL), as one is whose client went away before accept(2) returned it. For those there is the flag at the
//! calls of the send family, and they are noted, so that write(2) is made one of these.

use core::mem::MaybeUninit;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{c_int, c_void, sockaddr_in, sockaddr_in6, sockaddr_storage, socklen_t};

use crate::platform::{Peer, errno, forget_refusal, keeping_errno, note_refusal};

/// The flag for send(2) and its family, since macOS 11.
pub const NOSIGNAL: c_int = 0x80000;

/// Whether [`configure_socket`] does anything.
pub const CONFIGURES_SOCKETS: bool = true;

/// What must be done to a new socket. Keeps errno; a descriptor that is no socket is left alone.
pub fn configure_socket(fd: c_int) {
    keeping_errno(|| {
        configure_socket_or_fail(fd);
    });
}

/// The same for a program that asks for it and wants to know.
pub fn configure_socket_or_fail(fd: c_int) -> c_int {
    if set_option(fd) {
        forget_refusal(fd);
    } else if errno() == libc::EINVAL {
        note_refusal(fd);
    } else {
        return -1;
    }
    0
}

fn set_option(fd: c_int) -> bool {
    let on: c_int = 1;
    let length = size_of::<c_int>() as socklen_t;
    // SAFETY: the value is ours and of the size said.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, (&raw const on).cast(), length) == 0 }
}

/// Does the same to every socket that is open already: those that the process was started with, and those that earlier constructors have
/// made. For the constructor.
pub fn configure_open_sockets() {
    const PROX_FDTYPE_SOCKET: u32 = 2;
    /// sys/proc_info.h
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct ProcFdinfo {
        descriptor: i32,
        kind: u32,
    }
    const ROOM: usize = 256;

    let list = |memory: *mut c_void, bytes: usize| -> usize {
        let bytes = c_int::try_from(bytes).unwrap_or(c_int::MAX);
        // SAFETY: writes at most `bytes` bytes to `memory`; with a null pointer, it only tells how many it would need.
        let written = unsafe { libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDLISTFDS, 0, memory, bytes) };
        usize::try_from(written).unwrap_or(0)
    };
    let configure = |entries: *const ProcFdinfo, bytes: usize| {
        for index in 0..bytes / size_of::<ProcFdinfo>() {
            // SAFETY: the kernel has written this many bytes of entries.
            let entry = unsafe { entries.add(index).read() };
            if entry.kind == PROX_FDTYPE_SOCKET {
                configure_socket(entry.descriptor);
            }
        }
    };

    let mut few = MaybeUninit::<[ProcFdinfo; ROOM]>::uninit();
    let written = list(few.as_mut_ptr().cast(), size_of_val(&few));
    if written < size_of_val(&few) {
        return configure(few.as_ptr().cast(), written);
    }
    let needed = list(core::ptr::null_mut(), 0);
    // SAFETY: a fresh anonymous mapping, used within its size and given back.
    unsafe {
        let memory = libc::mmap(
            core::ptr::null_mut(),
            needed,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        );
        if memory != libc::MAP_FAILED {
            configure(memory.cast(), list(memory, needed).min(needed));
            libc::munmap(memory, needed);
        }
    }
}

/// Whether a socket's family answers EINVAL to flags that it does not know: none does.
pub fn refuses_flags(_fd: c_int) -> bool {
    false
}

/// Whether a descriptor is a socket; `None` when it is not open.
pub fn is_socket(fd: c_int) -> Option<bool> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat fills the structure when it returns 0.
    unsafe {
        (libc::fstat(fd, stat.as_mut_ptr()) == 0).then(|| stat.assume_init().st_mode & libc::S_IFMT == libc::S_IFSOCK)
    }
}

/// Address of a socket's peer; the kernel forgets it with the connection.
pub fn peer_of(fd: c_int) -> Peer {
    let mut address = MaybeUninit::<sockaddr_storage>::zeroed();
    let mut length = size_of::<sockaddr_storage>() as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes; all zero bytes are a valid sockaddr_storage, and one is large
    // and aligned enough to be read as the address of its family.
    unsafe {
        if libc::getpeername(fd, address.as_mut_ptr().cast(), &raw mut length) != 0 {
            return Peer::Unknown;
        }
        match c_int::from((*address.as_ptr()).ss_family) {
            libc::AF_INET => {
                let v4 = &*address.as_ptr().cast::<sockaddr_in>();
                let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
                Peer::Inet(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
            }
            libc::AF_INET6 => {
                let v6 = &*address.as_ptr().cast::<sockaddr_in6>();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Peer::Inet(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
            }
            libc::AF_UNIX => Peer::Unix,
            _ => Peer::Unknown,
        }
    }
}
