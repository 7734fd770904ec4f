//! What program headers (elf.h) say of a file that is mapped.

use alloc::vec::Vec;

use crate::{ReadMemory, ReadOwned};

/// Program header of a segment that is loaded (elf.h).
pub const PT_LOAD: u32 = 1;
/// Program header of the dynamic section.
pub const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const NT_GNU_BUILD_ID: u32 = 3;

/// An entry of the program headers.
pub struct Segment {
    /// `p_type`
    pub kind: u32,
    /// `p_flags`: 1 may be executed, 2 written, 4 read.
    pub flags: u32,
    /// `p_offset`
    pub offset: u64,
    /// `p_vaddr`
    pub address: u64,
    /// `p_memsz`
    pub size: u64,
}

/// A file that is mapped with code in it.
pub struct Loaded {
    /// First address.
    pub start: u64,
    /// Last address + 1.
    pub end: u64,
    /// Address in memory minus address in the file.
    pub bias: u64,
    /// Empty where it has none.
    pub build_id: Vec<u8>,
    /// Address and length of .eh_frame_hdr in memory.
    pub unwind_table: Option<(u64, u64)>,
    /// Address and length of the dynamic section in memory.
    pub dynamic: Option<(u64, u64)>,
}

/// The program headers that the ELF header at an address leads to; `None` if there is no header of a 64-bit
/// little-endian file.
pub fn segments(memory: &mut impl ReadMemory, header: u64) -> Option<Vec<Segment>> {
    let elf = memory.bytes(header, 64)?;
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = word_at(&elf, 32)?;
    let count = u16::from_le_bytes(elf.get(56..58)?.try_into().ok()?);
    program_headers(memory, header.checked_add(table)?, u64::from(count))
}

/// `count` program headers at an address.
pub fn program_headers(memory: &mut impl ReadMemory, table: u64, count: u64) -> Option<Vec<Segment>> {
    let table = memory.bytes(table, usize::try_from(count).ok()?.checked_mul(56)?)?;
    table
        .chunks_exact(56)
        .map(|entry| {
            Some(Segment {
                kind: u32::from_le_bytes(entry.get(..4)?.try_into().ok()?),
                flags: u32::from_le_bytes(entry.get(4..8)?.try_into().ok()?),
                offset: word_at(entry, 8)?,
                address: word_at(entry, 16)?,
                size: word_at(entry, 40)?,
            })
        })
        .collect()
}

fn word_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// The file whose headers are at an address; `None` if it has no code where `is_code` says that there can be some: then
/// it was only mapped to be read. Its extent is taken from its program headers, not from the mappings: some programs
/// move their code to other memory, to have huge pages, and then the mapping behind it is not the file's any more.
pub fn loaded_at(memory: &mut impl ReadMemory, start: u64, is_code: impl Fn(u64) -> bool) -> Option<Loaded> {
    let segments = segments(memory, start)?;
    let first = segments.iter().find(|segment| segment.kind == PT_LOAD)?;
    let bias = start.wrapping_sub(first.address.wrapping_sub(first.offset));
    let has_code = |segment: &Segment| {
        segment.kind == PT_LOAD && segment.flags & 1 != 0 && is_code(bias.wrapping_add(segment.address))
    };
    if !segments.iter().any(has_code) {
        return None;
    }
    let loaded = loaded(memory, &segments, bias)?;
    Some(Loaded { start: loaded.start.min(start), ..loaded })
}

/// The file with these segments; `bias` is the difference between an address in memory and that in the file.
pub fn loaded(memory: &mut impl ReadMemory, segments: &[Segment], bias: u64) -> Option<Loaded> {
    let (start, end) = extent(segments, bias)?;
    let mut loaded = Loaded { start, end, bias, build_id: Vec::new(), unwind_table: None, dynamic: None };
    for segment in segments {
        let address = bias.wrapping_add(segment.address);
        match segment.kind {
            PT_NOTE if loaded.build_id.is_empty() => {
                loaded.build_id = build_id(memory, address, segment.size).unwrap_or_default();
            }
            PT_DYNAMIC => loaded.dynamic = Some((address, segment.size)),
            PT_GNU_EH_FRAME => loaded.unwind_table = Some((address, segment.size)),
            _ => {}
        }
    }
    Some(loaded)
}

/// The first address and the last address + 1 of all loaded segments, rounded to pages of 4096 bytes.
pub fn extent(segments: &[Segment], bias: u64) -> Option<(u64, u64)> {
    let pages = segments.iter().filter(|segment| segment.kind == PT_LOAD).map(|segment| {
        let start = bias.wrapping_add(segment.address);
        (start & !4095, start.checked_add(segment.size).map_or(0, |end| end.saturating_add(4095) & !4095))
    });
    pages.reduce(|(start, end), (from, to)| (start.min(from), end.max(to))).filter(|(start, end)| start < end)
}

fn build_id(memory: &mut impl ReadMemory, start: u64, size: u64) -> Option<Vec<u8>> {
    let notes = memory.bytes(start, usize::try_from(size.min(4096)).ok()?)?;
    let mut rest = notes.as_slice();
    while let Some((header, after)) = rest.split_at_checked(12) {
        let number = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let (name_size, size, kind) = (number(0)? as usize, number(4)? as usize, number(8)?);
        let data = name_size.next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID && after.starts_with(b"GNU\0") {
            return after.get(data..data + size).map(<[u8]>::to_vec);
        }
        rest = after.get(data + size.next_multiple_of(4)..)?;
    }
    None
}
