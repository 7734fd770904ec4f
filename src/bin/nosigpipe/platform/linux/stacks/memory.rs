//! Memory of another process: copies that were made while it was stopped, and what never changes, which is read when it
//! is needed.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use libc::pid_t;
use unwind::ReadMemory;

use super::super::memory::ProcessMemory;
use super::map::Mapping;

/// Bytes in which memory is read and kept.
const PAGE: usize = 4096;
/// How many pages are kept of what is read besides the copies, 64 MiB.
const PAGES: usize = 1 << 14;
/// How many bytes of a mapping without a file are copied at most.
const LARGEST: u64 = 64 << 20;

/// Memory of a process.
pub struct Memory {
    process: ProcessMemory,
    /// Stacks that were copied while the process was stopped, by the address at which they start.
    stacks: BTreeMap<u64, Vec<u8>>,
    /// What else was copied then, by address. It may lie within a stack, but no two of them overlap: so the nearest one
    /// before an address is the only one that may have it.
    parts: BTreeMap<u64, Vec<u8>>,
    /// Pages that were read besides; `None` for those that can't be.
    pages: BTreeMap<u64, Option<Box<[u8; PAGE]>>>,
    /// `None` while the process is stopped; then the mappings that it may change, in ascending order, which are not
    /// read any more.
    changing: Option<Vec<(u64, u64)>>,
}

impl Memory {
    /// The memory of a process, all of which is read until [`Self::process_goes_on`].
    pub fn of(pid: pid_t) -> Self {
        let process = ProcessMemory::of(pid);
        Self { process, stacks: BTreeMap::new(), parts: BTreeMap::new(), pages: BTreeMap::new(), changing: None }
    }

    /// Copies a stack between two addresses. Returns the copy, which ends early where memory can't be read.
    pub fn copy_stack(&mut self, start: u64, end: u64) -> &[u8] {
        let content = self.copy(start, end);
        self.stacks.entry(start).or_insert(content)
    }

    /// Copies a few bytes, such as a lock: those that have not been copied before, for another thread that waits for
    /// the same.
    pub fn copy_part(&mut self, start: u64, size: u64) {
        let end = start.saturating_add(size);
        let mut at = start;
        while at < end {
            if let Some(copied) = rest_of(&self.parts, at) {
                at = at.saturating_add(copied.len() as u64);
                continue;
            }
            let next = self.parts.range(at..end).next().map_or(end, |(&next, _)| next);
            let content = self.copy(at, next);
            if !content.is_empty() {
                self.parts.insert(at, content);
            }
            at = next;
        }
    }

    /// A copy of the bytes between two addresses, as far as they can be read.
    fn copy(&self, start: u64, end: u64) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        let length = self.fetch(start, &mut content);
        content.truncate(length);
        content
    }

    /// Tells that the process goes on: from now on, only code and what the process can't write is read from it.
    pub fn process_goes_on(&mut self, mappings: &[Mapping]) {
        let changing = mappings.iter().filter(|mapping| mapping.writable && !mapping.executable);
        self.changing = Some(changing.map(|mapping| (mapping.start, mapping.end)).collect());
        self.pages.retain(|_, page| page.is_some());
    }

    /// Reads from the process itself. Returns how many bytes could be read.
    fn fetch(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.process.read_at(address, buffer).unwrap_or(0)
    }

    /// The page with this number, which is its address divided by its size; `None` if it can't be read, or may change.
    fn page(&mut self, number: u64) -> Option<&[u8; PAGE]> {
        let address = number * PAGE as u64;
        if !self.pages.contains_key(&number) {
            if let Some(changing) = &self.changing {
                let after = changing.partition_point(|&(_, end)| end <= address);
                if changing.get(after).is_some_and(|&(start, _)| start <= address) {
                    return None;
                }
            }
            let mut page = Box::new([0; PAGE]);
            let is_read = self.fetch(address, page.as_mut_slice()) == PAGE;
            if self.pages.len() >= PAGES {
                self.pages.clear();
            }
            self.pages.insert(number, is_read.then_some(page));
        }
        self.pages.get(&number)?.as_deref()
    }
}

impl ReadMemory for Memory {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = address.checked_add(done as u64) else { break };
            let Some(rest) = buffer.get_mut(done..) else { break };
            let copied = rest_of(&self.stacks, at).or_else(|| rest_of(&self.parts, at));
            let from = match copied {
                Some(copied) => copied,
                None => {
                    let Some(page) = self.page(at / PAGE as u64) else { break };
                    page.get(at as usize % PAGE..).unwrap_or_default()
                }
            };
            let take = rest.len().min(from.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..take), from.get(..take)) {
                to.copy_from_slice(from);
            }
            done += take;
        }
        done
    }
}

/// The rest of the copy that has this address in it.
fn rest_of(copies: &BTreeMap<u64, Vec<u8>>, at: u64) -> Option<&[u8]> {
    let (start, content) = copies.range(..=at).next_back()?;
    content.get(usize::try_from(at - start).ok()?..).filter(|content| !content.is_empty())
}

/// The bytes that are mapped from `start` on, up to the end of the mapping, for the rest of our run: those of the file
/// itself, or a copy where there is no file.
pub fn content(pid: pid_t, mapping: &Mapping, start: u64, size: u64) -> Option<&'static [u8]> {
    let offset = usize::try_from(mapping.offset + (start - mapping.start)).ok()?;
    let size = usize::try_from(size.min(mapping.end - start)).ok().filter(|&size| size > 0)?;
    if let Some(file) = mapping.file(pid) {
        let end = file.len().min(offset.checked_add(size)?);
        return file.get(offset..end);
    }
    let mut content = vec![0; usize::try_from(LARGEST).ok()?.min(size)];
    let length = Memory::of(pid).fetch(start, &mut content);
    content.truncate(length);
    (length > 0).then(|| &*content.leak())
}

/// Maps a regular file for the rest of the run; `None` where that can't be done. The path may be another user's, and
/// opening a pipe or a device could block, so nothing is opened before it is known to be a regular file.
pub fn map_file(path: &str) -> Option<&'static [u8]> {
    map_file_if(path, |_| true)
}

/// The same, if this is the right file by its metadata.
pub fn map_file_if(path: &str, is_it: impl Fn(&std::fs::Metadata) -> bool) -> Option<&'static [u8]> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    let is = file.metadata().ok().filter(|is| is.is_file() && is_it(is))?;
    let size = usize::try_from(is.size()).ok().filter(|&size| size > 0)?;
    // SAFETY: the kernel chooses a free address for the mapping, which is for reading and never undone.
    let place =
        unsafe { libc::mmap(core::ptr::null_mut(), size, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
    // SAFETY: mapped above, in this size, for the rest of the run. Should the file shrink meanwhile, this run ends by
    // SIGBUS.
    (place != libc::MAP_FAILED).then(|| unsafe { core::slice::from_raw_parts(place.cast::<u8>(), size) })
}
