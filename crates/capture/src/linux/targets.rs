//! Where reports go besides standard error: sockets of logs, the directory for reports, a container's termination log. Any of
//! these may be missing, full, or something else than it should be.

use alloc::ffi::CString;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem::size_of;

use libc::{c_int, c_long, c_short, sa_family_t, sockaddr_un, socklen_t};

use super::system;
use crate::platform::{self, errno, is_regular_file, own_call, stat_of};
use crate::process::write_all;

/// A connection to a log.
pub struct LogSocket {
    fd: c_int,
    /// Whether it is a stream, in which each message ends with a zero byte; else each is a datagram.
    is_stream: bool,
}

impl LogSocket {
    /// Connects without waiting; the errno if that is not possible.
    pub fn open(path: &CStr) -> Result<Self, c_int> {
        // As syslog(3) does: some logs listen on a stream socket.
        Self::connect(path, libc::SOCK_DGRAM).or_else(|error| match error {
            libc::EPROTOTYPE => Self::connect(path, libc::SOCK_STREAM),
            error => Err(error),
        })
    }

    fn connect(path: &CStr, kind: c_int) -> Result<Self, c_int> {
        let mut address = sockaddr_un { sun_family: libc::AF_UNIX as sa_family_t, sun_path: [0; 108] };
        for (to, from) in address.sun_path.iter_mut().take(107).zip(path.to_bytes()) {
            *to = *from as libc::c_char;
        }
        let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // By own_call, since libc's socket() is a hook of ours.
        // SAFETY: the address is a sockaddr_un, and its size is given; the descriptor is ours.
        unsafe {
            let fd = own_call(libc::SYS_socket, libc::AF_UNIX, kind, 0) as c_int;
            if fd < 0 {
                return Err(errno());
            }
            let size = size_of::<sockaddr_un>() as socklen_t;
            if own_call(libc::SYS_connect, fd, &raw const address, size) != 0 {
                let error = errno();
                libc::close(fd);
                return Err(error);
            }
            Ok(Self { fd, is_stream: kind & libc::SOCK_STREAM != 0 && kind & libc::SOCK_DGRAM == 0 })
        }
    }

    /// Sends a message; the errno if the log has not taken it by `until`, on the clock of [`platform::nanoseconds`].
    pub fn send(&self, message: &[u8], until: u64) -> Result<(), c_int> {
        let mut message = message.to_vec();
        if self.is_stream {
            message.push(0);
        }
        let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
        loop {
            // SAFETY: the message is readable.
            let sent = unsafe { own_call(libc::SYS_sendto, self.fd, message.as_ptr(), message.len(), flags, 0, 0) };
            let error = if sent >= 0 { 0 } else { errno() };
            match error {
                0 => return Ok(()),
                libc::EAGAIN | libc::ENOBUFS | libc::EINTR if platform::nanoseconds() < until => {
                    let mut poll = libc::pollfd { fd: self.fd, events: libc::POLLOUT as c_short, revents: 0 };
                    platform::poll(core::slice::from_mut(&mut poll), 20);
                }
                error => return Err(error),
            }
        }
    }
}

impl Drop for LogSocket {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours, and not used any more.
        unsafe { libc::close(self.fd) };
    }
}

/// Whether a descriptor is /dev/null (device 1, 3), where nobody reads.
pub fn is_null(fd: c_int) -> bool {
    stat_of(fd).is_some_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFCHR && stat.st_rdev == libc::makedev(1, 3))
}

/// Calls `action` with a descriptor of the directory for reports: the one that was opened at load, or one that is opened now. The
/// errno if it can't be opened.
pub(super) fn in_directory<T>(directory: &str, action: impl FnOnce(c_int) -> Result<T, c_int>) -> Result<T, c_int> {
    let kept = platform::directory_descriptor();
    if kept >= 0 {
        return action(kept);
    }
    let directory = CString::new(directory).map_err(|_| libc::EINVAL)?;
    let fd = platform::open_directory(&directory);
    if fd < 0 {
        return Err(errno());
    }
    let result = action(fd);
    // SAFETY: opened above, and not used any more.
    unsafe { libc::close(fd) };
    result
}

/// Opens a file in a directory, without waiting for anything (a FIFO) and without following a symbolic link.
fn open_at(directory: c_int, name: &str, flags: c_int) -> Result<c_int, c_int> {
    let name = CString::new(name).map_err(|_| libc::EINVAL)?;
    let flags = flags | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { own_call(libc::SYS_openat, directory, name.as_ptr(), flags, 0) } as c_int;
    if fd >= 0 { Ok(fd) } else { Err(errno()) }
}

/// While it lives, no other process has its turn in the directory for reports.
pub struct Turn(c_int);

impl Drop for Turn {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours, and not used any more. Closing it ends the lock (flock(2)).
        unsafe { libc::close(self.0) };
    }
}

/// Waits for our turn until `until`, on the clock of [`platform::nanoseconds`]. None where it did not come, or nobody can lock the
/// directory.
pub fn take_turn(directory: &str, until: u64) -> Option<Turn> {
    // Opened anew: a lock belongs to the open file, which a server's children share.
    let turn = Turn(in_directory(directory, |fd| open_at(fd, ".", libc::O_RDONLY | libc::O_DIRECTORY)).ok()?);
    loop {
        // SAFETY: flock(2) reads and writes no memory.
        if unsafe { own_call(libc::SYS_flock, turn.0, libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Some(turn);
        }
        if !matches!(errno(), libc::EWOULDBLOCK | libc::EINTR) || platform::nanoseconds() >= until {
            return None;
        }
        platform::sleep(1_000_000);
    }
}

/// The names of all files in the directory for reports, if we may read it.
pub fn report_names(directory: &str) -> Vec<String> {
    in_directory(directory, |fd| Ok(system::names_in(open_at(fd, ".", libc::O_RDONLY | libc::O_DIRECTORY)?)))
        .unwrap_or_default()
}

/// The beginning of a file in the directory for reports.
pub fn read_report(directory: &str, name: &str) -> Vec<u8> {
    let read = |directory| {
        let fd = open_at(directory, name, libc::O_RDONLY)?;
        let mut content = vec![0; platform::PAGE];
        let is_regular = is_regular_file(fd);
        // SAFETY: read(2) writes into the buffer only; the file was opened above.
        let length = unsafe {
            let length = if is_regular { libc::read(fd, content.as_mut_ptr().cast(), content.len()) } else { 0 };
            libc::close(fd);
            length
        };
        content.truncate(usize::try_from(length).unwrap_or(0));
        Ok(content)
    };
    in_directory(directory, read).unwrap_or_default()
}

/// Removes a file from the directory for reports.
pub fn remove_report(directory: &str, name: &str) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: the name ends in a zero byte.
    let _ = in_directory(directory, |fd| Ok(unsafe { own_call(libc::SYS_unlinkat, fd, name.as_ptr(), 0) }));
}

/// Writes the termination log, Kubernetes' `terminationMessagePath`: truncates the file, which is created if it is not there; the errno
/// of what failed. `path` ends in a zero byte. Kubernetes mounts the file itself, so that it can't be replaced by a rename.
pub fn write_termination_log(path: &[u8], content: &[u8]) -> Result<(), c_int> {
    let path = CStr::from_bytes_with_nul(path).map_err(|_| libc::EINVAL)?;
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    // SAFETY: the path ends in a zero byte; the descriptor is closed here or by `write_all`.
    unsafe {
        let fd = own_call(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0o600) as c_int;
        if fd < 0 {
            return Err(errno());
        }
        let is_regular = is_regular_file(fd);
        if !is_regular || own_call(libc::SYS_ftruncate, fd, 0 as c_long) != 0 {
            let error = if is_regular { errno() } else { libc::EINVAL };
            libc::close(fd);
            return Err(error);
        }
        write_all(fd, content)
    }
}
