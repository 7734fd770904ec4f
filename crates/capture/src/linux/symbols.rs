//! Where names are found: in ELF files.

use super::system;
use crate::process::{Map, Module};
use alloc::borrow::ToOwned;
use alloc::format;
use formats::ReadMemory;
use formats::gnu_hash::Table;
use symbols::{DebugFiles, elf, hex};

pub use elf::Symbols;

/// Where distributions put separate debug files.
pub const DEBUG_DIRECTORIES: &[&str] = &["/usr/lib/debug"];

/// A module's symbols. `lines` says whether to read debug information, too.
pub fn symbols(map: &Map, module: &Module, debug_files: DebugFiles, lines: bool) -> Symbols {
    // The kernel's own module is no file.
    let image = (module.path == "[vdso]").then(|| map.in_memory(module.start, module.end - module.start)).flatten();
    // A deleted file can still be opened by these links while it is mapped.
    let path = match module.path.strip_suffix(" (deleted)") {
        Some(_) if module.path == system::executable_path() => "/proc/self/exe".to_owned(),
        Some(_) => format!("/proc/self/map_files/{:x}-{:x}", module.start, module.parts.first_end),
        None => module.path.clone(),
    };
    let mut symbols = Symbols::find(&path, &hex(&module.build_id), image, debug_files, lines);
    symbols.exported = exported(map, module);
    symbols
}

/// The table of a module's exported symbols and its strings, as they are in memory, for modules without a file.
fn exported(map: &Map, module: &Module) -> Option<(&'static [u8], &'static [u8])> {
    use object::elf::{DT_GNU_HASH, DT_HASH, DT_STRSZ, DT_STRTAB, DT_SYMTAB};
    /// Symbols of the largest table that is believed.
    const MOST: u64 = 1 << 22;
    let u64_in = |bytes: &[u8], at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let u32_at = |at: u64| {
        let bytes = map.in_memory(at, 4).filter(|bytes| bytes.len() == 4)?;
        Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
    };
    let (address, size) = module.parts.dynamic?;
    let dynamic = map.in_memory(address, size)?;
    let entry = |tag: i64| {
        let found = dynamic.chunks_exact(16).find(|entry| u64_in(entry, 0) == Some(tag.cast_unsigned()))?;
        u64_in(found, 8)
    };
    // glibc's loader has relocated these entries in place, but for the vDSO's.
    let table = |tag: i64| {
        let value = entry(tag)?;
        Some(if module.contains(value) { value } else { module.bias.wrapping_add(value) })
    };
    let count = match (table(DT_GNU_HASH.0), table(DT_HASH.0)) {
        (_, Some(hash)) => u32_at(hash + 4)?,
        (Some(hash), None) => {
            let mut memory = Mapped(map);
            u64::from(Table::read(&mut memory, hash)?.symbols(&mut memory)?)
        }
        (None, None) => return None,
    };
    let symbols = map.in_memory(table(DT_SYMTAB.0)?, 24 * count.min(MOST))?;
    Some((symbols, map.in_memory(table(DT_STRTAB.0)?, entry(DT_STRSZ.0)?)?))
}

/// Memory that is mapped in this very process.
struct Mapped<'a>(&'a Map);

impl ReadMemory for Mapped<'_> {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let found = self.0.in_memory(address, buffer.len() as u64).unwrap_or_default();
        buffer.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        buffer.len().min(found.len())
    }
}
