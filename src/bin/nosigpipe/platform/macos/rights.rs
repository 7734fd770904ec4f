//! Programs from which the system takes dyld's variables away, whatever their files contain.

use std::fs;
use std::os::macos::fs::MetadataExt;
use std::path::Path;

/// Directories that System Integrity Protection guards. /usr/local is the user's.
const PROTECTED: [&str; 5] = ["/System", "/usr", "/bin", "/sbin", "/Library/Apple"];

/// Why the system would take dyld's variables away from this program, as a noun phrase that follows "it is".
pub fn gained_rights(path: &Path) -> Option<String> {
    /// The file is guarded by System Integrity Protection, wherever it lies (sys/stat.h).
    const SF_RESTRICTED: u32 = 0x80000;
    let file = fs::metadata(path).ok()?;
    let real = fs::canonicalize(path).ok()?;
    let guarded = PROTECTED.iter().any(|directory| real.starts_with(directory)) && !real.starts_with("/usr/local");
    if guarded || file.st_flags() & SF_RESTRICTED != 0 {
        return Some("guarded by System Integrity Protection".into());
    }
    // SAFETY: these calls take nothing, touch no memory and can't fail.
    let (uid, euid, gid, egid) = unsafe { (libc::getuid(), libc::geteuid(), libc::getgid(), libc::getegid()) };
    let has = |bit: libc::mode_t| file.st_mode() & u32::from(bit) != 0;
    if has(libc::S_ISUID) && file.st_uid() != uid {
        return Some(format!("set-user-ID to uid {}", file.st_uid()));
    }
    if has(libc::S_ISGID) && file.st_gid() != gid {
        return Some(format!("set-group-ID to gid {}", file.st_gid()));
    }
    if euid != uid {
        return Some(format!("started with the effective uid {euid} and the real uid {uid}"));
    }
    (egid != gid).then(|| format!("started with the effective gid {egid} and the real gid {gid}"))
}
