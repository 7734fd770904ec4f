//! What is mapped.

use alloc::string::String;
use alloc::vec::Vec;
use core::ptr;

use crate::platform::Parts;

/// A range of pages with the same rights.
#[derive(Clone)]
pub struct Mapping {
    pub start: u64,
    pub end: u64,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    /// Whether it is there in the process that writes the report, too: a copy does not get all memory.
    pub copied: bool,
    /// Its file, or what it is for, such as `[stack]`; empty when neither is known.
    pub path: String,
}

/// A file that is mapped with code in it.
pub struct Module {
    pub path: String,
    pub start: u64,
    pub end: u64,
    /// Address in memory minus address in the file.
    pub bias: u64,
    /// ELF's build id, Mach-O's UUID.
    pub build_id: Vec<u8>,
    /// What only the platform knows.
    pub parts: Parts,
}

impl Module {
    /// Whether an address is between its first and its last.
    pub fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }
}

/// Everything that is mapped, both lists in ascending order.
pub struct Map {
    pub mappings: Vec<Mapping>,
    pub modules: Vec<Module>,
}

impl Map {
    /// The module that an address belongs to.
    pub fn module(&self, address: u64) -> Option<usize> {
        self.modules.iter().position(|module| module.contains(address))
    }

    /// The mapping that an address belongs to.
    pub fn mapping(&self, address: u64) -> Option<&Mapping> {
        let after = self.mappings.partition_point(|mapping| mapping.end <= address);
        self.mappings.get(after).filter(|mapping| mapping.start <= address)
    }

    /// Whether code can be there.
    pub fn is_code(&self, address: u64) -> bool {
        self.mapping(address).is_some_and(|mapping| mapping.executable)
    }

    /// Memory of our own that is mapped for reading, as far as it is. It may be several mappings, one behind the other: a
    /// part of a segment that was given other rights is one of its own, and so are the files of dyld's cache.
    pub fn in_memory(&self, start: u64, size: u64) -> Option<&'static [u8]> {
        let wanted = start.checked_add(size)?;
        let first = self.mappings.partition_point(|mapping| mapping.end <= start);
        let mut end = start;
        for mapping in self.mappings.iter().skip(first) {
            if !mapping.readable || !mapping.copied || mapping.start > end || end >= wanted {
                break;
            }
            end = mapping.end.min(wanted);
        }
        let size = usize::try_from(end - start).ok().filter(|&size| size > 0)?;
        // SAFETY: mapped readable when the map was read, and no part of a report outlives its map. In a copy of the process there
        // is nobody who would unmap it. Where the report is written in the crashed process itself, another thread might, by
        // dlclose(3); nothing can be held against that, and the read then is a crash in the report, after which there are
        // addresses only.
        Some(unsafe { core::slice::from_raw_parts(ptr::with_exposed_provenance(start as usize), size) })
    }
}
