//! What the client takes from the system, as macOS's headers have it. No crate: it is compiled by rustc alone.

use std::ffi::{c_char, c_int, c_short, c_uint, c_void};

pub const AF_UNIX: c_int = 1;
pub const AF_INET: c_int = 2;
pub const SOCK_STREAM: c_int = 1;
pub const SOL_SOCKET: c_int = 0xFFFF;
pub const SO_NOSIGPIPE: c_int = 0x1022;
pub const SCM_RIGHTS: c_int = 1;
pub const SHUT_WR: c_int = 1;
pub const EPIPE: c_int = 32;
pub const SIGPIPE: c_int = 13;
pub const SIGUSR1: c_int = 30;
pub const SIG_DFL: usize = 0;
pub const SIG_IGN: usize = 1;
pub const SA_RESTART: c_int = 2;
pub const SETSIGDEF: c_short = 4;

#[repr(C)]
pub struct Vector {
    pub base: *const c_void,
    pub length: usize,
}

#[repr(C)]
pub struct Message {
    pub name: *mut c_void,
    pub name_length: c_uint,
    pub vectors: *mut Vector,
    pub count: c_int,
    pub control: *mut c_void,
    pub control_length: c_uint,
    pub flags: c_int,
}

/// One descriptor in a message's control data.
#[repr(C)]
pub struct Rights {
    pub length: c_uint,
    pub level: c_int,
    pub kind: c_int,
    pub fd: c_int,
}

/// The address of a UNIX socket.
#[repr(C)]
pub struct UnixAddress {
    pub length: u8,
    pub family: u8,
    pub path: [u8; 104],
}

/// The address of an IPv4 socket.
#[repr(C)]
pub struct InternetAddress {
    pub length: u8,
    pub family: u8,
    pub port: [u8; 2],
    pub host: [u8; 4],
    pub zero: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub struct Action {
    pub handler: usize,
    pub mask: u32,
    pub flags: c_int,
}

unsafe extern "C" {
    pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    pub fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int;
    pub fn bind(fd: c_int, address: *const c_void, length: c_uint) -> c_int;
    pub fn listen(fd: c_int, backlog: c_int) -> c_int;
    pub fn connect(fd: c_int, address: *const c_void, length: c_uint) -> c_int;
    pub fn accept(fd: c_int, address: *mut c_void, length: *mut c_uint) -> c_int;
    #[link_name = "accept$NOCANCEL"]
    pub fn accept_nocancel(fd: c_int, address: *mut c_void, length: *mut c_uint) -> c_int;
    pub fn getsockname(fd: c_int, address: *mut c_void, length: *mut c_uint) -> c_int;
    pub fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: c_uint) -> c_int;
    pub fn getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, length: *mut c_uint) -> c_int;
    pub fn shutdown(fd: c_int, how: c_int) -> c_int;
    pub fn recvmsg(fd: c_int, message: *mut Message, flags: c_int) -> isize;
    #[link_name = "recvmsg$NOCANCEL"]
    pub fn recvmsg_nocancel(fd: c_int, message: *mut Message, flags: c_int) -> isize;

    pub fn send(fd: c_int, data: *const c_void, length: usize, flags: c_int) -> isize;
    #[link_name = "send$NOCANCEL"]
    pub fn send_nocancel(fd: c_int, data: *const c_void, length: usize, flags: c_int) -> isize;
    pub fn sendto(
        fd: c_int,
        data: *const c_void,
        length: usize,
        flags: c_int,
        to: *const c_void,
        to_length: c_uint,
    ) -> isize;
    #[link_name = "sendto$NOCANCEL"]
    pub fn sendto_nocancel(
        fd: c_int,
        data: *const c_void,
        length: usize,
        flags: c_int,
        to: *const c_void,
        to_length: c_uint,
    ) -> isize;
    pub fn sendmsg(fd: c_int, message: *const Message, flags: c_int) -> isize;
    #[link_name = "sendmsg$NOCANCEL"]
    pub fn sendmsg_nocancel(fd: c_int, message: *const Message, flags: c_int) -> isize;
    pub fn write(fd: c_int, data: *const c_void, length: usize) -> isize;
    #[link_name = "write$NOCANCEL"]
    pub fn write_nocancel(fd: c_int, data: *const c_void, length: usize) -> isize;
    pub fn writev(fd: c_int, vectors: *const Vector, count: c_int) -> isize;
    #[link_name = "writev$NOCANCEL"]
    pub fn writev_nocancel(fd: c_int, vectors: *const Vector, count: c_int) -> isize;

    pub fn pipe(pair: *mut c_int) -> c_int;
    pub fn close(fd: c_int) -> c_int;
    pub fn unlink(path: *const c_char) -> c_int;
    pub fn getpid() -> c_int;
    pub fn unsetenv(name: *const c_char) -> c_int;

    pub fn signal(signal: c_int, handler: usize) -> usize;
    pub fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int;
    pub fn abort() -> !;

    pub fn fork() -> c_int;
    pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    pub fn _exit(status: c_int) -> !;
    pub fn execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
    pub fn execv(path: *const c_char, arguments: *const *const c_char) -> c_int;
    pub fn execvp(file: *const c_char, arguments: *const *const c_char) -> c_int;
    pub fn execl(path: *const c_char, first: *const c_char, ...) -> c_int;
    pub fn execlp(file: *const c_char, first: *const c_char, ...) -> c_int;
    pub fn execle(path: *const c_char, first: *const c_char, ...) -> c_int;
    pub fn posix_spawn(
        pid: *mut c_int,
        path: *const c_char,
        actions: *const c_void,
        attributes: *const *mut c_void,
        arguments: *const *const c_char,
        environment: *const *const c_char,
    ) -> c_int;
    pub fn posix_spawnattr_init(attributes: *mut *mut c_void) -> c_int;
    pub fn posix_spawnattr_setflags(attributes: *mut *mut c_void, flags: c_short) -> c_int;
    pub fn posix_spawnattr_setsigdefault(attributes: *mut *mut c_void, signals: *const u32) -> c_int;
    #[link_name = "system"]
    pub fn shell(command: *const c_char) -> c_int;
    pub fn popen(command: *const c_char, mode: *const c_char) -> *mut c_void;
    pub fn pclose(file: *mut c_void) -> c_int;

    fn __error() -> *mut c_int;
    fn _NSGetEnviron() -> *mut *const *const c_char;
}

pub fn errno() -> c_int {
    unsafe { *__error() }
}

pub fn set_errno(value: c_int) {
    unsafe { *__error() = value };
}

pub fn environment() -> *const *const c_char {
    unsafe { *_NSGetEnviron() }
}
