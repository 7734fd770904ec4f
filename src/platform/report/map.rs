//! What is mapped.

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

    /// Memory of our own that is mapped for reading, if it is.
    pub fn in_memory(&self, start: u64, size: u64) -> Option<&'static [u8]> {
        let mapping = self.mapping(start)?;
        let size = usize::try_from(size.min(mapping.end - start)).ok()?;
        // SAFETY: mapped readable, by a file that the dynamic loader has mapped; a snapshot's copy is never unmapped, and
        // the crashed process does not live much longer.
        mapping
            .readable
            .then(|| unsafe { core::slice::from_raw_parts(ptr::with_exposed_provenance(start as usize), size) })
    }
}
