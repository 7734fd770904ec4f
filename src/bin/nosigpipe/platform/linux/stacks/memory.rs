//! Memory of another process: what was copied while it was stopped, and what never changes read when it is asked for.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use libc::pid_t;
use unwind::ReadMemory;

use super::super::memory::ProcessMemory;
use super::map::Mapping;

const PAGE: usize = 4096;
/// Pages that are kept of what is read outside of the copied stacks.
const PAGES: usize = 1 << 14;
/// Longest part of memory without a file that is copied at once, in bytes.
const LARGEST: u64 = 64 << 20;

/// Memory of a process.
pub struct Memory {
    process: ProcessMemory,
    /// Stacks that were copied while the process was stopped, by address.
    stacks: BTreeMap<u64, Vec<u8>>,
    /// What else was copied then, which may lie within them.
    parts: BTreeMap<u64, Vec<u8>>,
    /// Pages that were read besides; `None` for those that can't be.
    pages: BTreeMap<u64, Option<Box<[u8; PAGE]>>>,
    /// Once the process goes on: what may change and is not read any more, in ascending order.
    changing: Option<Vec<(u64, u64)>>,
}

impl Memory {
    /// That of a process that is stopped.
    pub fn of(pid: pid_t) -> Self {
        let process = ProcessMemory::of(pid);
        Self { process, stacks: BTreeMap::new(), parts: BTreeMap::new(), pages: BTreeMap::new(), changing: None }
    }

    /// Copies a stack between two addresses; what of it is there.
    pub fn copy_stack(&mut self, start: u64, end: u64) -> &[u8] {
        let content = self.copy(start, end);
        self.stacks.entry(start).or_insert(content)
    }

    /// Copies a few bytes, such as a lock.
    pub fn copy_part(&mut self, start: u64, size: u64) {
        let content = self.copy(start, start.saturating_add(size));
        if !content.is_empty() {
            self.parts.insert(start, content);
        }
    }

    fn copy(&self, start: u64, end: u64) -> Vec<u8> {
        let mut content = vec![0; usize::try_from(end.saturating_sub(start)).unwrap_or(0)];
        let length = self.fetch(start, &mut content);
        content.truncate(length);
        content
    }

    /// The process goes on: from here on only what it can't write is still read there, and code.
    pub fn process_goes_on(&mut self, mappings: &[Mapping]) {
        let changing = mappings.iter().filter(|mapping| mapping.writable && !mapping.executable);
        self.changing = Some(changing.map(|mapping| (mapping.start, mapping.end)).collect());
        self.pages.retain(|_, page| page.is_some());
    }

    /// Reads from the process itself.
    fn fetch(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.process.read_at(address, buffer).unwrap_or(0)
    }

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

/// What was copied from an address on.
fn rest_of(copies: &BTreeMap<u64, Vec<u8>>, at: u64) -> Option<&[u8]> {
    let (start, content) = copies.range(..=at).next_back()?;
    content.get(usize::try_from(at - start).ok()?..).filter(|content| !content.is_empty())
}

/// What is mapped there, to the end of the mapping at most, for the rest of our run: the mapped part of a file, or what a
/// mapping without one has.
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

/// A regular file, mapped for the rest of the run. Nothing that a path leads to is opened before it is known to be one: the
/// path may be another user's.
pub fn map_file(path: &str) -> Option<&'static [u8]> {
    map_file_if(path, |_| true)
}

/// The same of a file that is the one with this identity.
pub fn map_file_if(path: &str, is_it: impl Fn(&std::fs::Metadata) -> bool) -> Option<&'static [u8]> {
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).ok()?;
    let is = file.metadata().ok().filter(|is| is.is_file() && is_it(is))?;
    let size = usize::try_from(is.size()).ok().filter(|&size| size > 0)?;
    // SAFETY: a new private mapping for reading, which is never undone.
    let place =
        unsafe { libc::mmap(core::ptr::null_mut(), size, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0) };
    // SAFETY: mapped above, in this size. Should the file shrink meanwhile, this run ends by SIGBUS.
    (place != libc::MAP_FAILED).then(|| unsafe { core::slice::from_raw_parts(place.cast::<u8>(), size) })
}
