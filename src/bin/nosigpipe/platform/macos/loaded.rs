//! What a running process has loaded, by dyld's own list (mach-o/dyld_images.h), and what an image in memory exports.
//!
//! Everything is read from the process's memory: a file may be gone, or be another by now. Nothing here asks the
//! system: tests on other systems compile this file too.

use super::macho::{LC_SEGMENT_64, MH_MAGIC_64, Source, word};

const LC_DYLD_INFO: u32 = 0x22;
const LC_DYLD_INFO_ONLY: u32 = 0x8000_0022;
const LC_DYLD_EXPORTS_TRIE: u32 = 0x8000_0033;
/// The image is in dyld's cache, whose images share their tables of names.
const MH_DYLIB_IN_CACHE: u32 = 0x8000_0000;
/// No linker writes more.
const MOST: usize = 16 << 20;

/// An image in a process.
pub struct Loaded {
    /// Address of its Mach-O header.
    pub start: u64,
    /// Its file, as dyld was told.
    pub path: String,
}

/// Every image of a process, the program first. `infos` is where its dyld_all_image_infos is. `None` while dyld is about
/// to change the list.
pub fn images(read: Source<'_>, infos: u64) -> Option<Vec<Loaded>> {
    const ENTRY: usize = 24;
    let head = read(infos, 16)?;
    let entries = long(&head, 8).filter(|entries| *entries != 0)?;
    let size = (word(&head, 4)? as usize).checked_mul(ENTRY).filter(|size| *size <= MOST)?;
    let list = read(entries, size)?;
    list.chunks_exact(ENTRY)
        .map(|entry| Some(Loaded { start: long(entry, 0)?, path: string(read, long(entry, 8)?) }))
        .collect()
}

/// The address of what the image that starts there exports by this name, found as dyld finds it: in the trie.
pub fn exported(read: Source<'_>, start: u64, name: &str) -> Option<u64> {
    let (mut text, mut linkedit, mut trie) = (None, None, None);
    for command in commands(read, start)? {
        match word(&command, 0)? {
            LC_SEGMENT_64 => match command.get(8..24)? {
                name if name.starts_with(b"__TEXT\0") => text = long(&command, 24),
                name if name.starts_with(b"__LINKEDIT\0") => {
                    linkedit = Some((long(&command, 24)?, long(&command, 40)?))
                }
                _ => {}
            },
            LC_DYLD_INFO | LC_DYLD_INFO_ONLY => trie = Some((word(&command, 40)?, word(&command, 44)?)),
            LC_DYLD_EXPORTS_TRIE => trie = Some((word(&command, 8)?, word(&command, 12)?)),
            _ => {}
        }
    }
    let ((address, file_offset), (offset, size)) = (linkedit?, trie?);
    let slide = start.wrapping_sub(text?);
    let trie_start = address.wrapping_add(slide).wrapping_sub(file_offset).wrapping_add(offset.into());
    let size = usize::try_from(size).ok().filter(|size| *size <= MOST)?;
    Some(start.wrapping_add(find(&read(trie_start, size)?, name)?))
}

/// Bytes that the code of the image takes that starts there.
pub fn text_size(read: Source<'_>, start: u64) -> Option<u64> {
    commands(read, start)?
        .iter()
        .find(|command| {
            word(command, 0) == Some(LC_SEGMENT_64)
                && command.get(8..).is_some_and(|name| name.starts_with(b"__TEXT\0"))
        })
        .and_then(|command| long(command, 32))
}

/// The load commands of the image that starts there.
fn commands(read: Source<'_>, start: u64) -> Option<Vec<Vec<u8>>> {
    const HEADER: usize = 32;
    let header = read(start, HEADER)?;
    if word(&header, 0)? != MH_MAGIC_64 || word(&header, 24)? & MH_DYLIB_IN_CACHE != 0 {
        return None;
    }
    let size = usize::try_from(word(&header, 20)?).ok().filter(|size| *size <= MOST)?;
    let all = read(start.checked_add(HEADER as u64)?, size)?;
    let mut rest = all.as_slice();
    let mut found = Vec::new();
    for _ in 0..word(&header, 16)? {
        let size = usize::try_from(word(rest, 4)?).ok().filter(|size| *size >= 8)?;
        let (command, after) = rest.split_at_checked(size)?;
        found.push(command.to_vec());
        rest = after;
    }
    Some(found)
}

/// The offset from the image's start that an export trie (mach-o/loader.h) has for a name of C's.
fn find(trie: &[u8], name: &str) -> Option<u64> {
    const REEXPORT: u64 = 8;
    let name = format!("_{name}");
    let mut rest = name.as_bytes();
    let mut node = 0;
    // Each edge takes some of the name, so this ends.
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

/// A number in ULEB128, and where the next thing starts.
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

/// A string, as far as it can be read and is a path. Page by page: the next one may not be there.
fn string(read: Source<'_>, mut address: u64) -> String {
    const PAGE: u64 = 4096;
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

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
