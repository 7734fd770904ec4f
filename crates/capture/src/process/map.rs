//! What is mapped.

use alloc::string::String;
use alloc::vec::Vec;
use core::ptr;

use crate::platform::Parts;

/// A mapping: pages of one file, or of none, with the same protection.
#[derive(Clone)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// Behind its last address.
    pub end: u64,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    /// Whether the process that writes the report has it, too: a copy lacks what is marked MADV_DONTFORK.
    pub copied: bool,
    /// Its file, or what it is for, such as `[stack]`; empty when neither is known.
    pub path: String,
}

/// A file that is mapped with code in it.
pub struct Module {
    pub path: String,
    /// Its first address.
    pub start: u64,
    /// Behind its last address.
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

    /// The bytes from an address on, as many of `size` as this process can read; `None` where it can read none. They may lie in
    /// several mappings: a part of a segment with another protection is one of its own, and so are the files of dyld's cache.
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
        // SAFETY: mapped readable when the map was read. In a copy of the process there is no other thread that could unmap it or
        // write to it, and what the report makes of it does not outlive the report. Where the report is written in the crashed
        // process itself, another thread may still run and call dlclose(3): nothing prevents that, and reading then is a crash in
        // the report, which a report with addresses only follows.
        Some(unsafe { core::slice::from_raw_parts(ptr::with_exposed_provenance(start as usize), size) })
    }
}
