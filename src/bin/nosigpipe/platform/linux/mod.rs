//! Linux: ELF, ld.so, procfs.

mod coverage;
mod deaths;
mod dependencies;
mod elf;
mod facts;
pub mod family;
mod loader_cache;
mod memory;
// With musl, too: the unwinder is that of a compiler for glibc.
mod old_libc;
mod permission;
pub mod process;
mod rights;
mod sockets;
pub mod stacks;
mod uncovered;
mod words;

pub use coverage::WAYS;
pub use dependencies::{Dependencies, dependencies};
pub use elf::{Image, exports};
pub use facts::{ALWAYS, facts};
pub use rights::gained_rights;
pub use uncovered::{reason as why_not_loaded, reason_below as why_not_loaded_below};
pub use words::expand;

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Calls whose broken pipes no hook and no handler counts.
pub const UNCOUNTED_CALLS: &[&str] = &["write", "writev", "pwritev2", "sendfile", "splice", "io_uring_enter"];
/// Whether that is so only while the kernel ignores SIGPIPE.
pub const UNCOUNTED_ONLY_WHILE_IGNORED: bool = true;
/// Whose handler for SIGPIPE the kernel has, while the library answers when the program asks.
pub const SIGPIPE_HANDLER_OWNER: &str = "the library's guard, unless the program goes past libc";

/// Interpreters of interpreters that the kernel follows, execve(2).
pub const MAX_INTERPRETERS: usize = 5;
/// Bytes that the kernel reads to see what a file is.
pub const SHEBANG_MAX: usize = 256;
/// Whether the kernel splits the rest of a #! line into arguments: here it is one, whatever is in it.
pub const SPLITS_SHEBANG_ARGUMENTS: bool = false;

/// Where else than on every system the library is from the launcher: Debian's libraries are in a directory for the
/// machine, and other distributions' in one for the word size.
pub const NEAR: &[&str] = &[
    if cfg!(target_arch = "aarch64") {
        "../lib/aarch64-linux-gnu/nosigpipe"
    } else {
        "../lib/x86_64-linux-gnu/nosigpipe"
    },
    "../lib64/nosigpipe",
];

/// The library's file name.
pub const LIBRARY: &str = "libnosigpipe.so";
/// The variable that has it loaded, ld.so(8).
pub const PRELOAD: &str = "LD_PRELOAD";

/// The functions that a library stands in front of, and what else it exports.
pub fn hooks(library: &Path) -> Result<Vec<String>, String> {
    exports(library)
}

/// Why the file can't be preloaded by this entry.
pub fn unable_to_preload(entry: &OsStr, path: &Path) -> Option<String> {
    let name = entry.as_bytes();
    for (byte, what) in [(b' ', "a space"), (b':', "a colon")] {
        if name.contains(&byte) {
            return Some(format!("its path has {what} in it, which separates entries of {PRELOAD}: move or copy it"));
        }
    }
    // In an entry that is not the file's own name, the loader's words are meant.
    if name.contains(&b'$') && entry == path.as_os_str() {
        return Some(format!("its path has a dollar sign in it, which {PRELOAD} gives a meaning: move or copy it"));
    }
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: an all-zero statvfs is valid, and the call fills in ours.
    let flags = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(path.as_ptr(), &raw mut found) == 0 { found.f_flag } else { 0 }
    };
    (flags & libc::ST_NOEXEC != 0).then(|| "it is on a file system that is mounted noexec".into())
}

/// Why this library can't be loaded into this program, of which each could be used with others: both are for the one
/// machine of this launcher.
pub fn mismatch(_program: &Image, _library: &Path) -> Option<String> {
    None
}

/// The value of [`PRELOAD`] with the library in front and everything else that was there. Two of us in one process
/// would both own SIGPIPE: whatever else has the library's name or is the same file goes.
pub fn preload_list(entry: &OsStr, library: &Path, inherited: Option<&OsStr>) -> OsString {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let ours = identity(library);
    let mut list = entry.as_bytes().to_vec();
    let inherited = inherited.unwrap_or_default().as_bytes();
    for entry in inherited.split(|&byte| byte == b' ' || byte == b':').filter(|entry| !entry.is_empty()) {
        let entry = OsStr::from_bytes(entry);
        let path = expand(entry).ok().flatten().unwrap_or_else(|| entry.to_owned());
        let path = Path::new(&path);
        let is_us = path.file_name() == library.file_name() || ours.is_some() && identity(path) == ours;
        if !is_us {
            list.push(b':');
            list.extend_from_slice(entry.as_bytes());
        }
    }
    OsString::from_vec(list)
}
