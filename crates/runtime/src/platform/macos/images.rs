//! Images by dyld's own list, read without allocating and without dyld's locks.
//!
//! The kernel tells where the list is, and no pointer in it is trusted: after a crash in the middle of dlopen(3) it may be null or
//! stale. Then names are missing.

use formats::ReadMemory;
use formats::dyld::Images;
use formats::macho::{Command, Header, LC_SYMTAB, LC_UUID};
use libc::c_int;

use super::{pid, read_memory};

unsafe extern "C" {
    static mach_task_self_: u32;
    /// mach/task.h
    fn task_info(task: u32, flavor: u32, info: *mut u32, count: *mut u32) -> c_int;
}

/// The image that an address of code is in: where it starts, and how much of `path` its name takes.
pub fn file_at(address: u64, path: &mut [u8]) -> Option<(u64, usize)> {
    let (start, name) = nearest_image(address)?;
    let text = find_command(start, |command| command.segment().filter(|segment| segment.is(b"__TEXT")))?;
    (address - start < text.size).then_some(())?;
    let length = read_memory(pid(), name, path);
    Some((start, path.get(..length)?.iter().position(|&byte| byte == 0).unwrap_or(length)))
}

/// The UUID of the image that starts there; how much of `id` it takes.
pub fn build_id_at(start: u64, id: &mut [u8; 20]) -> usize {
    let uuid = find_command(start, |command| if command.kind == LC_UUID { command.bytes::<16>(8) } else { None });
    match (uuid, id.first_chunk_mut()) {
        (Some(uuid), Some(slot)) => {
            *slot = uuid;
            uuid.len()
        }
        _ => 0,
    }
}

/// The function that an address is in, by the symbol table of the image that starts at `start`: how much of `name` its
/// name takes, without C's underscore, and how far into it the address is.
pub fn symbol_at(start: u64, address: u64, name: &mut [u8]) -> Option<(usize, u64)> {
    const ENTRY: usize = 16;
    const N_STAB: u8 = 0xe0;
    const N_TYPE: u8 = 0x0e;
    const N_SECT: u8 = 0x0e;
    let (mut slide, mut linkedit, mut table) = (None, None, None);
    find_command(start, |command| {
        if let Some(segment) = command.segment() {
            if segment.is(b"__TEXT") {
                slide = Some(start.wrapping_sub(segment.address));
            } else if segment.is(b"__LINKEDIT") {
                linkedit = Some(segment.address.wrapping_sub(segment.offset));
            }
        } else if command.kind == LC_SYMTAB {
            table = Some([8, 12, 16].map(|at| command.u32(at).unwrap_or(0)));
        }
        None::<()>
    });
    let (slide, [symbols, count, strings]) = (slide?, table?);
    let at = |offset: u32| linkedit.map(|base| base.wrapping_add(slide).wrapping_add(offset.into()));
    let wanted = address.wrapping_sub(slide);

    let mut best: Option<(u64, u32)> = None;
    let mut next = at(symbols)?;
    let mut left = count as usize;
    let mut entries = [0; ENTRY * 128];
    while left > 0 {
        let room = entries.get_mut(..left.min(128) * ENTRY)?;
        let length = read_memory(pid(), next, room);
        for entry in room.get(..length)?.chunks_exact(ENTRY) {
            let kind = *entry.get(4)?;
            let value = u64::from_le_bytes(entry.get(8..16)?.try_into().ok()?);
            let is_better = value <= wanted && best.is_none_or(|(found, _)| value > found);
            if kind & N_STAB == 0 && kind & N_TYPE == N_SECT && is_better {
                best = Some((value, u32_at(entry, 0)));
            }
        }
        if length < room.len() {
            break;
        }
        next += length as u64;
        left -= length / ENTRY;
    }
    let (value, string) = best?;
    let length = read_memory(pid(), at(strings)?.wrapping_add(string.into()), name);
    let length = name.get(..length)?.iter().position(|&byte| byte == 0).unwrap_or(length);
    let underscore = usize::from(name.first() == Some(&b'_') && length > 0);
    name.copy_within(underscore..length, 0);
    Some((length - underscore, wanted - value))
}

/// Where dyld keeps its list for others, a `dyld_all_image_infos` (mach-o/dyld_images.h).
pub fn all_image_infos() -> Option<u64> {
    const TASK_DYLD_INFO: u32 = 17;
    let mut info = [0u32; 5];
    let mut count = info.len() as u32;
    // SAFETY: writes at most `count` numbers of 32 bits into `info`.
    if unsafe { task_info(mach_task_self_, TASK_DYLD_INFO, info.as_mut_ptr(), &raw mut count) } != 0 {
        return None;
    }
    Some(u64::from(info[0]) | u64::from(info[1]) << 32)
}

/// The image with the highest start that is not above the address: its start, and the address of its path.
fn nearest_image(address: u64) -> Option<(u64, u64)> {
    let mut best: Option<(u64, u64)> = None;
    Images::read(&mut Own, all_image_infos()?)?.each(&mut Own, |image| {
        if image.start <= address && best.is_none_or(|(found, _)| image.start > found) {
            best = Some((image.start, image.path));
        }
    });
    best
}

/// The first load command of the image that starts there of which `wanted` makes something.
fn find_command<T>(start: u64, mut wanted: impl FnMut(&Command) -> Option<T>) -> Option<T> {
    let mut commands = Header::read(&mut Own, start)?.commands();
    while let Some(command) = commands.next(&mut Own) {
        if let Some(found) = wanted(&command) {
            return Some(found);
        }
    }
    None
}

/// Memory of this process, read by the kernel.
struct Own;

impl ReadMemory for Own {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        read_memory(pid(), address, buffer)
    }
}

/// Four bytes as a number; 0 where there are fewer.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The line in front of a report that has addresses only.
pub const BEFORE_ADDRESSES: &[u8] = b"nosigpipe: the report could not be completed; addresses, by frame pointers (atos -o FILE -l BASE ADDRESS tells lines):\n";
