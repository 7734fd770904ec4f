//! Source files, for the lines around a frame, and whether a terminal may have colours.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::mem::MaybeUninit;

use libc::c_int;
use report::source::{MAX_FILE, Picker, Source, is_source};

use super::system;
use crate::platform::{self, PAGE, own_call, stat_of};

/// Types of file systems that may wait for another machine, as mount(8) names them. Lines of source are not worth waiting for.
const REMOTE: [&str; 9] = ["autofs", "nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "afs", "fuse.sshfs"];
/// Bytes that are read of the list of mounts and of the environment, at most.
const MAX_READ: usize = 1 << 17;

/// The lines around one of a source file, if it is named as one and can be read. `module` is the file that was built of it. Nothing is
/// read for a privileged program: its report may be seen by a caller who may not read the file.
pub fn source(file: &str, line: u64, module: &str) -> Option<Source> {
    if platform::is_confidential() || !is_source(file, PYTHON) || is_remote(file) {
        return None;
    }
    let (fd, stat) = system::open_regular(&CString::new(file).ok()?)?;
    // The target of a symbolic link has to be named as a source file, too.
    let is_named_so = is_source(&system::link(&format!("/proc/self/fd/{fd}\0")), PYTHON);
    let mut picker = Picker::new(line);
    let (mut left, mut piece) = (if is_named_so { MAX_FILE } else { 0 }, vec![0; PAGE]);
    while left > 0 {
        // The file is not mapped: an editor may truncate it meanwhile, and reading a mapping of it would be a SIGBUS then.
        // SAFETY: writes into the piece only; the descriptor is ours.
        let length = unsafe { own_call(libc::SYS_read, fd, piece.as_mut_ptr(), piece.len()) };
        let Some(read) = usize::try_from(length).ok().and_then(|length| piece.get(..length)) else { break };
        left = left.saturating_sub(read.len());
        if read.is_empty() || !picker.take(read) {
            break;
        }
    }
    // SAFETY: opened above, and not used any more.
    unsafe { libc::close(fd) };
    let is_changed = modified(module).is_some_and(|built| built < (stat.st_mtime, stat.st_mtime_nsec));
    picker.finish(file, is_changed)
}

/// The extension of Python's source files. They are read here, where a frame stands in them, and never by `nosigpipe report`: a file
/// of settings with secrets may have this extension, too.
const PYTHON: &str = "py";

/// When a file was modified last: seconds and nanoseconds.
fn modified(file: &str) -> Option<(i64, i64)> {
    let path = CString::new(file).ok().filter(|path| !path.is_empty())?;
    // SAFETY: the path ends in a zero byte. Zeros are valid for a structure of numbers, which stat(2) fills in.
    unsafe {
        let mut stat = MaybeUninit::<libc::stat64>::zeroed().assume_init();
        (libc::stat64(path.as_ptr(), &raw mut stat) == 0).then_some((stat.st_mtime, stat.st_mtime_nsec))
    }
}

/// Whether a path leads into a file system that may wait for another machine.
fn is_remote(path: &str) -> bool {
    let mounts = system::read_file(b"/proc/self/mounts\0", MAX_READ).unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts);
    let mut nearest = (0, "");
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (fields.next(), fields.next()) else { continue };
        let below = path.strip_prefix(point.trim_end_matches('/'));
        // Of two mounts at the same point, the later one covers the earlier.
        if below.is_some_and(|below| below.starts_with('/')) && point.len() >= nearest.0 {
            nearest = (point.len(), kind);
        }
    }
    REMOTE.contains(&nearest.1)
}

/// Whether a descriptor is a terminal on which colours are wanted: TERM is not `dumb`, and NO_COLOR (no-color.org) is not set.
pub fn has_colours(fd: c_int) -> bool {
    // By the device's major number (Documentation/admin-guide/devices.txt): 4 consoles and serial lines, 5 /dev/tty and /dev/console,
    // 136 to 143 pseudoterminals. isatty(3) would need ioctl(2), which a sandbox may forbid.
    let is_terminal = stat_of(fd).is_some_and(|stat| {
        stat.st_mode & libc::S_IFMT == libc::S_IFCHR && matches!(libc::major(stat.st_rdev), 4 | 5 | 136..=143)
    });
    if !is_terminal {
        return false;
    }
    let environment = system::read_file(b"/proc/self/environ\0", MAX_READ).unwrap_or_default();
    let value = |name: &[u8]| environment.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(name));
    value(b"NO_COLOR=").is_none_or(<[u8]>::is_empty) && value(b"TERM=").is_some_and(|terminal| terminal != b"dumb")
}
