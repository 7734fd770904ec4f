//! /proc/self/maps, read without allocating.

use core::ffi::CStr;
use core::fmt::Write;

use formats::maps::{self, Line};
use libc::pid_t;

use super::{pid, read_memory};
use crate::platform::Access;
use wording::line::Line as Text;

/// The file that is mapped at an address: where its first byte is mapped, and how much of `path` its name takes. Of a longer one that has
/// the end.
pub fn file_at(address: u64, path: &mut [u8]) -> Option<(u64, usize)> {
    let mut base = 0;
    let mut found = None;
    each_mapping(|mapping| {
        if mapping.offset == 0 {
            base = mapping.start;
        }
        if !(mapping.start..mapping.end).contains(&address) {
            return true;
        }
        let length = mapping.path.len().min(path.len());
        if let (Some(to), Some(from)) = (path.get_mut(..length), mapping.path.get(mapping.path.len() - length..)) {
            to.copy_from_slice(from);
        }
        found = Some((base, length));
        false
    });
    found.filter(|&(_, length)| length > 0)
}

/// Whether a mapping's protection allows an access; false where nothing is mapped. `None` when /proc can't be read.
pub fn rights_allow(address: u64, access: Access) -> Option<bool> {
    let mut allowed = None;
    each_mapping(|mapping| {
        if mapping.end <= address {
            allowed = Some(false);
            return true;
        }
        let right = match access {
            Access::Write => mapping.writable,
            Access::Execute => mapping.executable,
            Access::Read | Access::Unknown => mapping.readable,
        };
        allowed = Some(mapping.start <= address && right);
        false
    });
    allowed
}

/// Whether the file that has an address in this process is mapped in another one, too.
pub fn shares_file_with(process: pid_t, address: u64) -> bool {
    let mut file = None;
    each_mapping(|mapping| {
        if (mapping.start..mapping.end).contains(&address) {
            file = Some((mapping.device, mapping.inode)).filter(|&(_, inode)| inode != 0);
        }
        mapping.end <= address
    });
    let Some(file) = file else { return false };
    let mut path = Text::<32>::empty();
    let _ = write!(path, "/proc/{process}/maps\0");
    let mut is_shared = false;
    if let Ok(path) = CStr::from_bytes_until_nul(path.bytes()) {
        each_mapping_of(path, |mapping| {
            is_shared = (mapping.device, mapping.inode) == file;
            !is_shared
        });
    }
    is_shared
}

/// Visits the mappings of this process in ascending order, as long as `visit` wants more.
fn each_mapping(mut visit: impl FnMut(&Line) -> bool) {
    let mut is_empty = true;
    each_mapping_of(c"/proc/self/maps", |mapping| {
        is_empty = false;
        visit(mapping)
    });
    // The main thread has ended before the others. (proc(5); since Linux 3.17)
    if is_empty {
        each_mapping_of(c"/proc/thread-self/maps", visit);
    }
}

fn each_mapping_of(path: &CStr, mut visit: impl FnMut(&Line) -> bool) {
    /// Bytes of a line that are kept at its start if it is longer than the buffer. What comes before the path takes fewer.
    const START: usize = 128;
    /// The same at its end. The name of the file takes fewer.
    const END: usize = 256;
    // SAFETY: the path is a string.
    let fd = unsafe { libc::open64(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return;
    }
    let mut buffer = [0u8; 512];
    let mut filled = 0;
    let mut goes_on = true;
    while goes_on {
        if filled == buffer.len() {
            // The middle of the path is left out.
            buffer.copy_within(filled - END.., START);
            filled = START + END;
        }
        let Some(room) = buffer.get_mut(filled..) else { break };
        // SAFETY: writes into the rest of `buffer` only.
        let length = unsafe { libc::read(fd, room.as_mut_ptr().cast(), room.len()) };
        let Some(length) = usize::try_from(length).ok().filter(|&length| length > 0) else { break };
        filled += length;
        while let Some(end) = buffer.get(..filled).and_then(|text| text.iter().position(|&byte| byte == b'\n')) {
            goes_on = goes_on && buffer.get(..end).and_then(maps::line).is_none_or(|mapping| visit(&mapping));
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
        }
    }
    // SAFETY: opened above.
    unsafe { libc::close(fd) };
}

/// The build id in the ELF file whose first page is mapped there; how much of `id` it takes.
pub fn build_id_at(start: u64, id: &mut [u8; 20]) -> usize {
    /// What comes before the id: its name's length, its own, the type NT_GNU_BUILD_ID, the name.
    const NOTE: [u8; 16] = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0];
    let mut page = [0; 1024];
    let length = read_memory(pid(), start, &mut page);
    let page = page.get(..length).unwrap_or_default();
    if !page.starts_with(b"\x7fELF") {
        return 0;
    }
    // Linkers put it behind the program headers.
    let Some(note) = page.windows(NOTE.len()).position(|window| window == NOTE) else { return 0 };
    let Some(found) = page.get(note + NOTE.len()..note + NOTE.len() + id.len()) else { return 0 };
    id.copy_from_slice(found);
    id.len()
}

/// Symbol tables are not in memory here: a copy reads them out of the files.
pub fn symbol_at(_start: u64, _address: u64, _name: &mut [u8]) -> Option<(usize, u64)> {
    None
}

/// The line in front of a report that has addresses only.
pub const BEFORE_ADDRESSES: &[u8] =
    b"nosigpipe: the report could not be completed; addresses for addr2line or eu-addr2line:\n";
