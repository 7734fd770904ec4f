//! /proc/self/maps, read without allocating.

use core::ffi::CStr;
use core::fmt::Write;

use libc::pid_t;

use super::{pid, read_memory};
use crate::platform::Access;
use wording::line::Line;

/// The file that is mapped at an address: where its first byte is mapped, and how much of `path` its name takes.
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
        if let (Some(to), Some(from)) = (path.get_mut(..length), mapping.path.get(..length)) {
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
        let [read, write, execute, _] = mapping.rights;
        let right = match access {
            Access::Write => write == b'w',
            Access::Execute => execute == b'x',
            Access::Read | Access::Unknown => read == b'r',
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
            file = Some(mapping.file).filter(|&(_, inode)| inode != 0);
        }
        mapping.end <= address
    });
    let Some(file) = file else { return false };
    let mut path = Line::<32>::empty();
    let _ = write!(path, "/proc/{process}/maps\0");
    let mut is_shared = false;
    if let Ok(path) = CStr::from_bytes_until_nul(path.bytes()) {
        each_mapping_of(path, |mapping| {
            is_shared = mapping.file == file;
            !is_shared
        });
    }
    is_shared
}

/// Visits the mappings of this process in ascending order, as long as `visit` wants more.
fn each_mapping(visit: impl FnMut(&MapsLine) -> bool) {
    each_mapping_of(c"/proc/self/maps", visit);
}

fn each_mapping_of(path: &CStr, mut visit: impl FnMut(&MapsLine) -> bool) {
    // SAFETY: the path is a string.
    let fd = unsafe { libc::open64(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return;
    }
    let mut buffer = [0u8; 512];
    let mut filled = 0;
    let mut goes_on = true;
    while goes_on {
        let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else { break };
        // SAFETY: writes into the rest of `buffer` only.
        let length = unsafe { libc::read(fd, room.as_mut_ptr().cast(), room.len()) };
        let Some(length) = usize::try_from(length).ok().filter(|&length| length > 0) else { break };
        filled += length;
        while let Some(end) = buffer.get(..filled).and_then(|text| text.iter().position(|&byte| byte == b'\n')) {
            goes_on = goes_on && buffer.get(..end).and_then(parse).is_none_or(|mapping| visit(&mapping));
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
        }
    }
    // SAFETY: opened above.
    unsafe { libc::close(fd) };
}

struct MapsLine<'a> {
    start: u64,
    end: u64,
    /// `r`, `w`, `x` and `p` or `s`, or a dash in the place of each.
    rights: [u8; 4],
    offset: u64,
    /// Device, as a hash of its numbers, and inode; 0 for no file.
    file: (u64, u64),
    path: &'a [u8],
}

/// Parses a line of /proc/PID/maps (proc(5)).
fn parse(line: &[u8]) -> Option<MapsLine<'_>> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut range = fields.next()?.split(|&byte| byte == b'-');
    let (start, end) = (hexadecimal(range.next()?)?, hexadecimal(range.next()?)?);
    let rights = fields.next()?.try_into().ok()?;
    let offset = hexadecimal(fields.next()?)?;
    let device = fields.next()?.iter().fold(0, |sum: u64, &digit| sum << 8 | u64::from(digit));
    // A short line ends with the inode.
    let mut rest = fields.next()?.splitn(2, |&byte| byte == b' ');
    let inode = rest.next()?.iter().fold(0, |sum: u64, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit & 15)));
    let path = fields.next().unwrap_or_default().trim_ascii_start();
    Some(MapsLine { start, end, rights, offset, file: (device, inode), path })
}

fn hexadecimal(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0u64, |sum, digit| Some(sum << 4 | u64::from(char::from(*digit).to_digit(16)?)))
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
