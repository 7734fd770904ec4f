//! dyld's own list of images, which it keeps for debuggers (mach-o/dyld_images.h): read in memory, without its lock. A
//! crash in the middle of dlopen(3) may leave it null or stale, which costs names and nothing else.

use crate::ReadMemory;
use crate::memory::{u32_in, u64_in};

/// More images than this dyld has never loaded.
const MOST_IMAGES: u32 = 16 * 1024;
/// Size of a `dyld_image_info`: start, path, date.
const ENTRY: usize = 24;

/// An image, as dyld has noted it.
#[derive(Clone, Copy)]
pub struct Image {
    /// Address of its Mach-O header.
    pub start: u64,
    /// Address of its path.
    pub path: u64,
}

/// The list.
pub struct Images {
    count: u32,
    entries: u64,
}

impl Images {
    /// The list that a `dyld_all_image_infos` at an address leads to. Its first members are a version, the number of
    /// entries and their address. `None` when it can't be read, or dyld is changing the list: then that address is
    /// null.
    pub fn read(memory: &mut (impl ReadMemory + ?Sized), infos: u64) -> Option<Self> {
        let mut head = [0; 16];
        memory.read_exact(infos, &mut head).then_some(())?;
        let entries = u64_in(&head, 8).filter(|&entries| entries != 0)?;
        Some(Self { count: u32_in(&head, 4)?.min(MOST_IMAGES), entries })
    }

    /// Calls `visit` with each image, the program's first. Returns whether all could be read.
    pub fn each<M: ReadMemory + ?Sized>(&self, memory: &mut M, mut visit: impl FnMut(Image)) -> bool {
        let mut part = [0; ENTRY * 64];
        let (mut left, mut at) = (self.count as usize, self.entries);
        while left > 0 {
            let Some(room) = part.get_mut(..left.min(64) * ENTRY) else { return false };
            let length = memory.read(at, room);
            for entry in room.get(..length).unwrap_or_default().chunks_exact(ENTRY) {
                if let (Some(start), Some(path)) = (u64_in(entry, 0), u64_in(entry, 8)) {
                    visit(Image { start, path });
                }
            }
            if length < room.len() {
                return false;
            }
            at = at.wrapping_add(length as u64);
            left -= length / ENTRY;
        }
        true
    }
}

/// Address of dyld's own header, which is not in the list, by the same structure.
pub fn loader(memory: &mut (impl ReadMemory + ?Sized), infos: u64) -> Option<u64> {
    memory.u64_at(infos.wrapping_add(32)).filter(|&start| start != 0)
}
