//! The directory that reports go to: opened at load, so that neither a chroot nor a title that overwrites the environment
//! takes it away.

use super::freestanding::own_call;
use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};

use libc::{c_int, c_long};

use super::errno;
use super::socket::stat_of;

/// The directory's descriptor; -1 for none.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);
/// The directory's device, which tells with its inode whether the descriptor is still the directory's: some programs close every
/// descriptor that they don't know, and may get its number for another file.
static DEVICE: AtomicU64 = AtomicU64::new(0);
static INODE: AtomicU64 = AtomicU64::new(0);

/// Opens the directory and keeps it open; the errno if reports can't be written there now. For the constructor.
pub fn open_report_directory(path: &CStr) -> Result<(), c_int> {
    let fd = open_directory(path);
    if fd < 0 {
        return Err(errno());
    }
    let fd = move_out_of_the_way(fd);
    if let Some((device, inode)) = identity(fd) {
        DEVICE.store(device, Relaxed);
        INODE.store(inode, Relaxed);
        DESCRIPTOR.store(fd, Relaxed);
    }
    // SAFETY: the path is a string.
    let allowed = unsafe { own_call(libc::SYS_faccessat, fd, c".".as_ptr(), libc::W_OK | libc::X_OK) };
    if allowed == 0 { Ok(()) } else { Err(errno()) }
}

/// The socket that syslog(3) writes to.
pub const SYSLOG: &CStr = c"/dev/log";
/// The socket of systemd's journal.
pub const JOURNAL: &CStr = c"/run/systemd/journal/socket";

/// Whether there may be a log: one of the sockets exists, or it can't be told.
pub fn has_log() -> bool {
    // SAFETY: the paths are strings.
    [SYSLOG, JOURNAL].iter().any(|path| unsafe {
        own_call(libc::SYS_faccessat, libc::AT_FDCWD, path.as_ptr(), libc::F_OK) == 0 || errno() == libc::ENOSYS
    })
}

/// The directory, if it is still open; otherwise -1.
pub fn directory_descriptor() -> c_int {
    let fd = DESCRIPTOR.load(Relaxed);
    let is_ours = fd >= 0 && identity(fd) == Some((DEVICE.load(Relaxed), INODE.load(Relaxed)));
    if is_ours { fd } else { -1 }
}

/// Opens a directory to name files in it, and for nothing else.
pub fn open_directory(path: &CStr) -> c_int {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    super::freestanding::open(path, flags)
}

/// Gives a file in the directory for reports another name; whether that worked.
pub fn rename_report(directory: &CStr, from: &CStr, to: &CStr) -> bool {
    in_report_directory(directory, |fd| {
        // SAFETY: the names are strings.
        unsafe { own_call(libc::SYS_renameat, fd, from.as_ptr(), fd, to.as_ptr()) == 0 }
    })
}

/// Removes a file in the directory for reports, if it is there.
pub fn remove_unfinished(directory: &CStr, name: &CStr) {
    in_report_directory(directory, |fd| {
        // SAFETY: the name is a string.
        unsafe { own_call(libc::SYS_unlinkat, fd, name.as_ptr(), 0) == 0 }
    });
}

/// Does something in the directory, as it was at load, or by its name where that is closed.
fn in_report_directory(directory: &CStr, action: impl FnOnce(c_int) -> bool) -> bool {
    let kept = directory_descriptor();
    let fd = if kept >= 0 { kept } else { open_directory(directory) };
    let is_done = fd >= 0 && action(fd);
    if fd >= 0 && fd != kept {
        // SAFETY: ours.
        unsafe { libc::close(fd) };
    }
    is_done
}

/// Device and inode of an open file.
fn identity(fd: c_int) -> Option<(u64, u64)> {
    stat_of(fd).map(|stat| (stat.st_dev, stat.st_ino))
}

/// Gives our descriptor a high number. Programs rely on getting the lowest number that is free, and on having as many descriptors as
/// their limit says. So ours is the first number above the limit, which is raised for this moment; or a high one below it, where the
/// limit can't be raised or is high already.
fn move_out_of_the_way(fd: c_int) -> c_int {
    /// The kernel's table of descriptors grows with the highest number.
    const HIGHEST: u64 = 1 << 12;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structures are ours; otherwise only descriptors of ours change.
    unsafe {
        if own_call(libc::SYS_prlimit64, 0, libc::RLIMIT_NOFILE, 0, &raw mut limit) != 0 {
            return fd;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_cur.saturating_add(1), ..limit };
        let is_raised = limit.rlim_cur < limit.rlim_max.min(HIGHEST)
            && own_call(libc::SYS_prlimit64, 0, libc::RLIMIT_NOFILE, &raw const raised, 0) == 0;
        let wanted = if is_raised { limit.rlim_cur } else { limit.rlim_cur.min(HIGHEST).saturating_sub(1) };
        let moved = own_call(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, wanted as c_long) as c_int;
        if is_raised {
            own_call(libc::SYS_prlimit64, 0, libc::RLIMIT_NOFILE, &raw const limit, 0);
        }
        if moved < 0 {
            return fd;
        }
        libc::close(fd);
        moved
    }
}
