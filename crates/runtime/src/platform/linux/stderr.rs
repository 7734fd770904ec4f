//! Which open file is standard error. The number is not enough: a daemon that has closed descriptor 2 gets that number for its database
//! or for a client's connection, and nothing of ours must be written there.
//!
//! Descriptor 2 is standard error if one of these is true:
//!
//! - it is the same file as at load, and that was not a client's connection;
//! - the program has chosen number 2 for it: by dup2(2), dup3(2), or freopen(3) of `stderr`;
//! - it is the same open file as descriptor 1, as after `open(LOG); dup(0); dup(0)`.
//!
//! The latter two never make a socket standard error: a server that puts a connection there serves a client.

use super::freestanding::own_call;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use libc::{STDERR_FILENO, STDOUT_FILENO, c_int, c_long, socklen_t};

use super::socket::stat_of;
use super::{is_secure, pid};
use crate::platform::keeping_errno;

/// What tells one open file from another, as far as the kernel tells.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    /// The file's type, and how it was opened: for reading, writing or both.
    kind: u32,
}

/// An [`Identity`] that may be replaced while other threads read it. If they read parts of two, descriptor 2 is neither, and nothing is
/// written.
struct Kept {
    device: AtomicU64,
    inode: AtomicU64,
    /// 0 for none.
    kind: AtomicU32,
}

impl Kept {
    const fn none() -> Self {
        Self { device: AtomicU64::new(0), inode: AtomicU64::new(0), kind: AtomicU32::new(0) }
    }

    fn set(&self, identity: Option<Identity>) {
        let Identity { device, inode, kind } = identity.unwrap_or(Identity { device: 0, inode: 0, kind: 0 });
        self.device.store(device, Relaxed);
        self.inode.store(inode, Relaxed);
        self.kind.store(kind, Relaxed);
    }

    fn is(&self, identity: Identity) -> bool {
        let Self { device, inode, kind } = self;
        identity == Identity { device: device.load(Relaxed), inode: inode.load(Relaxed), kind: kind.load(Relaxed) }
    }
}

/// Descriptor 2 at load.
static AT_LOAD: Kept = Kept::none();
/// What the program has put on descriptor 2.
static PUT_THERE: Kept = Kept::none();
/// See [`is_confidential`].
static CONFIDENTIAL: AtomicBool = AtomicBool::new(false);

/// Remembers what standard error is. For the constructor.
pub fn learn_stderr() {
    CONFIDENTIAL.store(is_secure() || !is_dumpable(), Relaxed);
    AT_LOAD.set(identity(STDERR_FILENO).filter(|identity| !identity.is_socket() || is_for_diagnostics(STDERR_FILENO)));
}

/// Whether what is in this process must not be shown to whoever started it: it has more rights than they have (AT_SECURE,
/// getauxval(3)), or they may execute its file but not read it.
pub fn is_confidential() -> bool {
    CONFIDENTIAL.load(Relaxed)
}

/// To be called when the program has put a file on descriptor 2 by dup2(2) or one of its like. Keeps errno.
#[cold]
pub fn stderr_was_put_there() {
    keeping_errno(|| PUT_THERE.set(identity(STDERR_FILENO).filter(|identity| !identity.is_socket())));
}

/// Standard error, if it is there. Keeps errno.
pub fn stderr() -> Option<c_int> {
    keeping_errno(|| {
        let now = identity(STDERR_FILENO).filter(|_| !is_confidential())?;
        let is_known = AT_LOAD.is(now) || PUT_THERE.is(now) || !now.is_socket() && is_same_as_stdout();
        is_known.then_some(STDERR_FILENO)
    })
}

impl Identity {
    fn is_socket(&self) -> bool {
        self.kind & libc::S_IFMT == libc::S_IFSOCK
    }
}

/// What a descriptor is; none when it is not open.
fn identity(fd: c_int) -> Option<Identity> {
    let stat = stat_of(fd)?;
    // SAFETY: no memory is involved.
    let mode = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_ACCMODE;
    // `kind` is never 0: a file has a type, or, if it has none (eventfd and its like), it is open for reading and writing.
    Some(Identity { device: stat.st_dev, inode: stat.st_ino, kind: stat.st_mode & libc::S_IFMT | mode.unsigned_abs() })
}

/// Whether a socket that a program is started with is for its diagnostics: one end of a socket pair, or a connection to a log, as systemd
/// makes one to the journal. Such sockets have no name. A client's connection to a listening socket has that one's name.
fn is_for_diagnostics(fd: c_int) -> bool {
    let mut name = [0u16; 64];
    let mut length = size_of_val(&name) as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into the array.
    let found = unsafe { libc::getsockname(fd, name.as_mut_ptr().cast(), &raw mut length) } == 0;
    found
        && name.first().is_some_and(|&family| i32::from(family) == libc::AF_UNIX)
        && length as usize == size_of::<libc::sa_family_t>()
}

/// Whether descriptors 1 and 2 are one open file: kcmp(2). Equal inodes are not enough: a database may be open twice.
fn is_same_as_stdout() -> bool {
    const KCMP_FILE: c_long = 0;
    let own = c_long::from(pid());
    let (one, two) = (c_long::from(STDOUT_FILENO), c_long::from(STDERR_FILENO));
    // SAFETY: no memory is involved.
    unsafe { own_call(libc::SYS_kcmp, own, own, KCMP_FILE, one, two) == 0 }
}

/// Whether others of the same user may look into the process, and the kernel may write a core file of it.
fn is_dumpable() -> bool {
    // SAFETY: no memory is involved.
    unsafe { own_call(libc::SYS_prctl, libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 }
}
