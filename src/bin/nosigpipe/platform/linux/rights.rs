//! Secure mode: when the kernel says AT_SECURE, ld.so takes nothing from LD_PRELOAD that has a slash in it.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Why the kernel would start this file in secure mode, as a noun phrase that follows "it is" (capabilities(7),
/// getauxval(3), and the kernel's cap_bprm_creds_from_file). Not every set-user-ID bit does that: none does on a file
/// system that is mounted nosuid or with no_new_privs set, and root's own does nothing to root.
pub fn gained_rights(path: &Path) -> Option<String> {
    let file = fs::metadata(path).ok()?;
    // SAFETY: these calls only answer.
    let (uid, euid, gid, egid) = unsafe { (libc::getuid(), libc::geteuid(), libc::getgid(), libc::getegid()) };
    let nosuid = is_nosuid(path);
    let bits_count = !nosuid && !no_new_privileges();

    let has_suid = bits_count && file.mode() & libc::S_ISUID != 0;
    // Without the group's execute bit this bit once meant mandatory locking, and means nothing to execve.
    let has_sgid = bits_count && file.mode() & libc::S_ISGID != 0 && file.mode() & libc::S_IXGRP != 0;
    if (if has_suid { file.uid() } else { euid }) != uid {
        return Some(if has_suid {
            format!("set-user-ID to uid {}", file.uid())
        } else {
            format!("started with the effective uid {euid} and the real uid {uid}")
        });
    }
    if (if has_sgid { file.gid() } else { egid }) != gid {
        return Some(if has_sgid {
            format!("set-group-ID to gid {}", file.gid())
        } else {
            format!("started with the effective gid {egid} and the real gid {gid}")
        });
    }
    // Root has what there is: nothing counts as gained.
    (uid != 0 && !nosuid && FileCapabilities::read(path)?.count()).then(|| "given file capabilities".into())
}

fn is_nosuid(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: an all-zero statvfs is valid, and the call fills in ours.
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        libc::statvfs(path.as_ptr(), &raw mut found) == 0 && found.f_flag & libc::ST_NOSUID != 0
    }
}

fn no_new_privileges() -> bool {
    // SAFETY: this request only answers.
    unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 }
}

/// The extended attribute security.capability (capabilities(7), struct vfs_cap_data).
struct FileCapabilities {
    effective: bool,
    permitted: u64,
    inheritable: u64,
}

impl FileCapabilities {
    fn read(path: &Path) -> Option<Self> {
        const EFFECTIVE: u32 = 1;
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        let mut data = [0u8; 24];
        // SAFETY: the call writes at most the given number of bytes into ours.
        let size = unsafe {
            libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), data.as_mut_ptr().cast(), data.len())
        };
        let data = data.get(..usize::try_from(size).ok()?)?;
        // Version 1 has one word for each set, the later ones two.
        let word = |index: usize| {
            let bytes = data.get(index * 4..index * 4 + 4)?;
            Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
        };
        let high = |index| if data.len() >= 20 { word(index).unwrap_or(0) << 32 } else { 0 };
        Some(Self {
            effective: word(0)? & u64::from(EFFECTIVE) != 0,
            permitted: word(1)? | high(3),
            inheritable: word(2)? | high(4),
        })
    }

    /// Whether they make the program more than its starter.
    fn count(&self) -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|text| u64::from_str_radix(text.trim(), 16).ok())
        };
        let bounding = set("CapBnd:").unwrap_or(u64::MAX);
        let inherited = set("CapInh:").unwrap_or(0);
        // The ambient set is emptied for a file with capabilities, so whatever is permitted was gained.
        self.effective || (self.permitted & bounding | self.inheritable & inherited) != 0
    }
}
