//! What a running process has loaded, by dyld's own list (mach-o/dyld_images.h), and what an image in memory exports.
//!
//! Everything is read from the process's memory: a file may be gone, or be another by now. Nothing here asks the
//! system: tests on other systems compile this file, too.

use formats::dyld::Images;
use formats::macho::{Header, MH_DYLIB_IN_CACHE};

use super::macho::{Read, Source};

// Load commands that lead to an export trie (mach-o/loader.h).
const LC_DYLD_INFO: u32 = 0x22;
const LC_DYLD_INFO_ONLY: u32 = 0x8000_0022;
const LC_DYLD_EXPORTS_TRIE: u32 = 0x8000_0033;
/// Largest export trie that is read, in bytes. No linker writes a larger one.
const MOST: usize = 16 << 20;

/// An image in a process.
pub struct Loaded {
    /// Address of its Mach-O header.
    pub start: u64,
    /// Its file, as dyld was told.
    pub path: String,
}

/// Every image of a process, the program first. `infos` is the address of its dyld_all_image_infos. `None` while dyld
/// is changing the list.
pub fn images(read: Source<'_>, infos: u64) -> Option<Vec<Loaded>> {
    let memory = &mut Read(read);
    let mut found = Vec::new();
    let is_whole = Images::read(memory, infos)?
        .each(memory, |image| found.push(Loaded { start: image.start, path: string(read, image.path) }));
    is_whole.then_some(found)
}

/// The address that the image at `start` exports by this name, as dyld finds it: in the export trie.
pub fn exported(read: Source<'_>, start: u64, name: &str) -> Option<u64> {
    let memory = &mut Read(read);
    let (mut text, mut linkedit, mut trie) = (None, None, None);
    let mut commands = header(memory, start)?.commands();
    while let Some(command) = commands.next(memory) {
        // export_off and export_size, or dataoff and datasize.
        let pair = |at: usize| Some((command.u32(at)?, command.u32(at + 4)?));
        match command.kind {
            LC_DYLD_INFO | LC_DYLD_INFO_ONLY => trie = pair(40),
            LC_DYLD_EXPORTS_TRIE => trie = pair(8),
            _ => match command.segment() {
                Some(segment) if segment.is(b"__TEXT") => text = Some(segment.address),
                Some(segment) if segment.is(b"__LINKEDIT") => linkedit = Some((segment.address, segment.offset)),
                _ => {}
            },
        }
    }
    let ((address, file_offset), (offset, size)) = (linkedit?, trie.filter(|_| commands.is_complete())?);
    // By how much the image lies above the address that it was linked for.
    let slide = start.wrapping_sub(text?);
    // The trie's offset in the file lies within __LINKEDIT.
    let trie_start = address.wrapping_add(slide).wrapping_sub(file_offset).wrapping_add(offset.into());
    let size = usize::try_from(size).ok().filter(|size| *size <= MOST)?;
    Some(start.wrapping_add(find(&read(trie_start, size)?, name)?))
}

/// Size in bytes of the segment __TEXT, which has the code, of the image at `start`.
pub fn text_size(read: Source<'_>, start: u64) -> Option<u64> {
    let memory = &mut Read(read);
    let mut commands = header(memory, start)?.commands();
    while let Some(command) = commands.next(memory) {
        if let Some(text) = command.segment().filter(|segment| segment.is(b"__TEXT")) {
            return Some(text.size);
        }
    }
    None
}

/// The Mach-O header at `start`; `None` for an image from dyld's cache, where only the system's libraries are.
fn header(memory: &mut Read, start: u64) -> Option<Header> {
    Header::read(memory, start).filter(|header| header.flags & MH_DYLIB_IN_CACHE == 0)
}

/// The offset from the image's start that an export trie (mach-o/loader.h) has for a C function or variable. Each node
/// has what is exported if a name ends there, and edges to other nodes, with the next letters of names.
fn find(trie: &[u8], name: &str) -> Option<u64> {
    /// EXPORT_SYMBOL_FLAGS_REEXPORT: another library has it, and there is no offset.
    const REEXPORT: u64 = 8;
    let name = format!("_{name}");
    let mut rest = name.as_bytes();
    let mut node = 0;
    // Each edge takes at least one letter of the name, so this ends, whatever the trie has in it.
    loop {
        let (size, terminal) = uleb(trie, node)?;
        if rest.is_empty() {
            let (flags, after) = uleb(trie, terminal).filter(|_| size != 0)?;
            return (flags & REEXPORT == 0).then_some(uleb(trie, after)?.0);
        }
        let mut at = terminal.checked_add(usize::try_from(size).ok()?)?;
        let edges = *trie.get(at)?;
        at += 1;
        let mut next = None;
        for _ in 0..edges {
            let edge = trie.get(at..)?.split(|&byte| byte == 0).next()?;
            let (child, after) = uleb(trie, at + edge.len() + 1)?;
            if !edge.is_empty() && next.is_none() {
                next = rest.strip_prefix(edge).map(|rest| (child, rest));
            }
            at = after;
        }
        let (child, after) = next?;
        node = usize::try_from(child).ok()?;
        rest = after;
    }
}

/// A number in ULEB128 (as in DWARF), and the offset behind it.
fn uleb(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

/// A path, as far as it can be read. It is read page by page, since the next page may not be there.
fn string(read: Source<'_>, mut address: u64) -> String {
    /// The smallest size of a page, in bytes.
    const PAGE: u64 = 4096;
    /// PATH_MAX (sys/syslimits.h).
    const LONGEST: usize = 1024;
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST {
        let left = (PAGE - address % PAGE) as usize;
        let Some(more) = read(address, left) else { break };
        address = address.wrapping_add(left as u64);
        let end = more.iter().position(|&byte| byte == 0);
        bytes.extend_from_slice(more.get(..end.unwrap_or(left)).unwrap_or_default());
        if end.is_some() {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
