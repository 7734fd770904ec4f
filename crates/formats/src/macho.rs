//! Mach-O headers and load commands (mach-o/loader.h), in a process's memory or in a file that is read like memory.

use crate::ReadMemory;
use crate::memory::{u32_in, u64_in};

/// `magic` of an image for 64-bit processors, in the processor's byte order.
pub const MH_MAGIC_64: u32 = 0xfeed_facf;
/// Bit of a header's flags: the image is in dyld's cache, whose images share their tables of names.
pub const MH_DYLIB_IN_CACHE: u32 = 0x8000_0000;
/// Where the symbols and their strings are.
pub const LC_SYMTAB: u32 = 0x2;
/// A segment.
pub const LC_SEGMENT_64: u32 = 0x19;
/// 16 bytes by which a build of a file is told from all others.
pub const LC_UUID: u32 = 0x1b;

/// Size of a `mach_header_64`.
pub const HEADER_SIZE: u64 = 32;
/// Bytes of all load commands of an image, at most: no linker writes as many.
const MOST_BYTES: u32 = 16 << 20;
/// Load commands of an image, at most: no linker writes as many.
const MOST_COMMANDS: u32 = 32 * 1024;

/// The head of an image.
#[derive(Clone, Copy)]
pub struct Header {
    start: u64,
    /// `filetype`: program, library or another.
    pub file_type: u32,
    /// `flags`
    pub flags: u32,
    count: u32,
    /// Bytes that the load commands take, which come behind the header.
    pub commands_size: u32,
}

impl Header {
    /// The header at an address; `None` when there is none that can be believed.
    pub fn read(memory: &mut (impl ReadMemory + ?Sized), start: u64) -> Option<Self> {
        let mut bytes = [0; HEADER_SIZE as usize];
        memory.read_exact(start, &mut bytes).then_some(())?;
        let [magic, _, _, file_type, count, commands_size, flags, _] =
            core::array::from_fn(|index| u32_in(&bytes, 4 * index).unwrap_or(0));
        let is_image = magic == MH_MAGIC_64 && count <= MOST_COMMANDS && commands_size <= MOST_BYTES;
        is_image.then_some(Self { start, file_type, flags, count, commands_size })
    }

    /// Its load commands.
    pub fn commands(&self) -> Commands {
        Commands { next: self.start.wrapping_add(HEADER_SIZE), bytes_left: self.commands_size, left: self.count }
    }
}

/// The load commands of an image that are still to come.
pub struct Commands {
    next: u64,
    bytes_left: u32,
    left: u32,
}

impl Commands {
    /// The next command; `None` at the end, or where something is wrong.
    pub fn next(&mut self, memory: &mut (impl ReadMemory + ?Sized)) -> Option<Command> {
        (self.left > 0).then_some(())?;
        let mut head = [0; 72];
        let take = self.bytes_left.min(head.len() as u32) as usize;
        let length = memory.read(self.next, head.get_mut(..take)?);
        let size = u32_in(&head, 4).filter(|&size| length >= 8 && size >= 8 && size <= self.bytes_left)?;
        let command = Command { kind: u32_in(&head, 0)?, address: self.next, size, head };
        self.next = self.next.wrapping_add(size.into());
        self.bytes_left -= size;
        self.left -= 1;
        Some(command)
    }

    /// Once `next` has returned `None`: whether that was the end, and nothing was wrong.
    pub fn is_complete(&self) -> bool {
        self.left == 0
    }
}

/// A load command: its kind, and its first bytes.
pub struct Command {
    /// `LC_...`
    pub kind: u32,
    /// Where it is.
    pub address: u64,
    /// Bytes that it takes.
    pub size: u32,
    /// What of it could be read; zero behind its end.
    head: [u8; 72],
}

impl Command {
    /// Four bytes of it as a number, from the offset `at` on; `None` behind its first 72 bytes or its end.
    pub fn u32(&self, at: usize) -> Option<u32> {
        u32_in(self.own(), at)
    }

    /// Bytes of it, from the offset `at` on; `None` behind its first 72 bytes or its end.
    pub fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.own().get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn own(&self) -> &[u8] {
        self.head.get(..self.size as usize).unwrap_or(&self.head)
    }

    /// The segment that it describes, if it is LC_SEGMENT_64.
    pub fn segment(&self) -> Option<Segment> {
        let long = |at| u64_in(self.own(), at);
        (self.kind == LC_SEGMENT_64).then_some(())?;
        Some(Segment { name: self.bytes(8)?, address: long(24)?, size: long(32)?, offset: long(40)? })
    }
}

/// LC_SEGMENT_64
pub struct Segment {
    name: [u8; 16],
    /// Address that it would be loaded at if the image were not moved (without a slide).
    pub address: u64,
    /// Bytes that it takes in memory.
    pub size: u64,
    /// Where it starts in its file.
    pub offset: u64,
}

impl Segment {
    /// Whether it has this name, which is shorter than 16 bytes.
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.first().is_none_or(|&byte| byte == 0))
    }
}
