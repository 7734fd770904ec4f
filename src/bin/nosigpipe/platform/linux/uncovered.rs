//! Why a process does not have the library.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::process::{inspect, living_thread, parent_of};
use super::{Image, PRELOAD};
use crate::output;

/// Ancestors that are looked at: longer chains are made on purpose.
const GENERATIONS: usize = 32;

/// One sentence; `None` where nothing says why, or what would is not to be read. What is read is what the process was
/// executed with: it may have changed it since.
pub fn reason(pid: u32) -> Option<String> {
    explain(pid, covered_ancestor)
}

/// The same, where the nearest process above it that has the library is known.
pub fn reason_below(pid: u32, covered: Option<(u32, String)>) -> Option<String> {
    explain(pid, |_| covered)
}

fn explain(pid: u32, covered_ancestor: impl FnOnce(u32) -> Option<(u32, String)>) -> Option<String> {
    let pid = living_thread(pid);
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let preload = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(PRELOAD.as_bytes())?.strip_prefix(b"="))
        .filter(|value| !value.is_empty());
    let Some(preload) = preload else {
        return Some(match covered_ancestor(pid) {
            None => format!("it was executed without {PRELOAD} in its environment"),
            Some((ancestor, name)) => format!(
                "process {ancestor} ({}), from which it comes, has the library, but it was executed without {PRELOAD} in its \
                 environment",
                output::name(&name)
            ),
        });
    };
    let program = format!("/proc/{pid}/exe");
    if is_secure(pid) {
        return Some(format!(
            "it gained rights when it was executed (set-user-ID, set-group-ID, capabilities), and the loader ignores {PRELOAD}"
        ));
    }
    if let Ok(Some(image)) = Image::read(Path::new(&program))
        && let Some(objection) = image.objection()
    {
        return Some(objection);
    }
    // As the process sees the file system.
    let ours = preload
        .split(|&byte| byte == b':' || byte == b' ')
        .map(OsStr::from_bytes)
        .find(|entry| entry.as_bytes().windows(9).any(|window| window == b"nosigpipe"));
    let Some(ours) = ours else {
        return Some(format!("{PRELOAD} names other libraries: {}", output::name(OsStr::from_bytes(preload))));
    };
    let seen = format!("/proc/{pid}/root{}", ours.display());
    (ours.as_bytes().starts_with(b"/") && !Path::new(&seen).exists())
        .then(|| format!("{PRELOAD} names {}, which is not there for it", output::name(ours)))
}

/// The nearest process above this one that has the library, and its name.
fn covered_ancestor(pid: u32) -> Option<(u32, String)> {
    let mut above = parent_of(pid)?;
    for _ in 0..GENERATIONS {
        if let Ok(process) = inspect(above)
            && process.library.is_some()
        {
            return Some((above, process.name));
        }
        above = parent_of(above).filter(|&parent| parent > 0)?;
    }
    None
}

fn is_secure(pid: u32) -> bool {
    let words = fs::read(format!("/proc/{pid}/auxv")).unwrap_or_default();
    words.chunks_exact(16).any(|entry| {
        let word =
            |at: usize| entry.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        word(0) == libc::AT_SECURE && word(8) != 0
    })
}
