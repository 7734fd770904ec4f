//! What keeps a socket from raising SIGPIPE: a flag at each call.

use core::mem::MaybeUninit;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use libc::{c_int, sockaddr_in, sockaddr_in6, socklen_t};

use crate::platform::Peer;

/// The flag for send(2) and its family.
pub const NOSIGNAL: c_int = libc::MSG_NOSIGNAL;

/// Whether [`configure_socket`] does anything.
pub const CONFIGURES_SOCKETS: bool = false;

/// What must be done to a new socket: nothing on Linux.
pub fn configure_socket(_fd: c_int) {}

/// What [`configure_socket`] does, for a program that asks for it and wants to know whether it worked: only whether `fd` is a socket.
pub fn configure_socket_or_fail(fd: c_int) -> c_int {
    if socket_option(fd, libc::SO_TYPE).is_some() { 0 } else { -1 }
}

/// Whether a socket may have failed with EINVAL or EOPNOTSUPP because its family refuses every flag that it does not know,
/// and so [`NOSIGNAL`]: AX.25, NET/ROM, X.25, ROSE, AppleTalk, ATM, QRTR and MCTP answer the one, RDS the other (each in
/// its `sendmsg`, net/*/). The kernel's list changes, so what is listed here are those that never did.
pub fn refuses_flags(fd: c_int) -> bool {
    !matches!(socket_option(fd, libc::SO_DOMAIN), None | Some(libc::AF_UNIX | libc::AF_INET | libc::AF_INET6))
}

/// Whether a descriptor is a socket; `None` when it is not open.
pub fn is_socket(fd: c_int) -> Option<bool> {
    stat_of(fd).as_ref().map(is_stat_of_socket)
}

/// Whether a descriptor is a pipe or a FIFO.
pub fn is_pipe(fd: c_int) -> bool {
    stat_of(fd).is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFIFO)
}

/// What must be done to the sockets that are open at load: nothing on Linux.
pub fn configure_open_sockets() {}

/// Whether a descriptor is one end of a connection between two UNIX sockets that have no names, as socketpair(2) makes it.
pub fn is_unnamed_pair(fd: c_int) -> bool {
    type Name = unsafe extern "C" fn(c_int, *mut libc::sockaddr, *mut socklen_t) -> c_int;
    let is_unnamed = |name: Name| {
        let mut address = MaybeUninit::<libc::sockaddr>::zeroed();
        let mut length = size_of::<libc::sockaddr>() as socklen_t;
        // SAFETY: the kernel writes at most `length` bytes into `address`, and says how many there would have been.
        let result = unsafe { name(fd, address.as_mut_ptr(), &raw mut length) };
        result == 0 && length as usize == size_of::<libc::sa_family_t>()
    };
    socket_option(fd, libc::SO_DOMAIN) == Some(libc::AF_UNIX)
        && is_unnamed(libc::getsockname)
        && is_unnamed(libc::getpeername)
}

/// Whether a stat is that of a socket.
pub fn is_stat_of_socket(stat: &libc::stat) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFSOCK
}

/// fstat(2); `None` when the descriptor is not open.
pub fn stat_of(fd: c_int) -> Option<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat fills the structure when it returns 0.
    unsafe { (libc::fstat(fd, stat.as_mut_ptr()) == 0).then(|| stat.assume_init()) }
}

/// Whether a descriptor is a regular file's.
pub fn is_regular_file(fd: c_int) -> bool {
    stat_of(fd).is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG)
}

/// Address of a socket's peer, even when the connection is gone: getpeername(2) answers ENOTCONN then, SO_PEERNAME
/// does not, but wants no more room than it needs (net/core/sock.c, sk_getsockopt; net/ipv4/af_inet.c, inet_getname with
/// peer 2).
pub fn peer_of(fd: c_int) -> Peer {
    match socket_option(fd, libc::SO_DOMAIN) {
        Some(libc::AF_INET) => peer_name::<sockaddr_in>(fd).map_or(Peer::Unknown, |v4| {
            let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
            Peer::Inet(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
        }),
        Some(libc::AF_INET6) => peer_name::<sockaddr_in6>(fd).map_or(Peer::Unknown, |v6| {
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Peer::Inet(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id)))
        }),
        Some(libc::AF_UNIX) => Peer::Unix,
        _ => Peer::Unknown,
    }
}

fn peer_name<T>(fd: c_int) -> Option<T> {
    let mut address = MaybeUninit::<T>::zeroed();
    let mut length = size_of::<T>() as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `address`, and T is a socket address: integers, for which
    // all zero bytes are valid.
    unsafe {
        let result =
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERNAME, address.as_mut_ptr().cast(), &raw mut length);
        (result == 0).then(|| address.assume_init())
    }
}

fn socket_option(fd: c_int, option: c_int) -> Option<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as socklen_t;
    // SAFETY: value and length are ours and of the size said.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut length) };
    (result == 0).then_some(value)
}
