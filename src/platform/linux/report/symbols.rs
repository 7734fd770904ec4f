//! Where names are found: in ELF files.

use super::system;
use crate::platform::report::{Map, Module};
use crate::symbols::{Places, elf, hex};

pub use elf::Symbols;

/// Where distributions put separate debug files.
pub const DEBUG_DIRECTORIES: &[&str] = &["/usr/lib/debug"];

/// A module's symbols. `lines` says whether to read debug information, too.
pub fn symbols(map: &Map, module: &Module, places: Places, lines: bool) -> Symbols {
    // The kernel's own module is no file.
    let image = (module.path == "[vdso]").then(|| map.in_memory(module.start, module.end - module.start)).flatten();
    // A file that is mapped can be had even if it was deleted.
    let path = match module.path.strip_suffix(" (deleted)") {
        Some(_) if module.path == system::executable_path() => "/proc/self/exe".to_owned(),
        Some(_) => format!("/proc/self/map_files/{:x}-{:x}", module.start, module.parts.first_end),
        None => module.path.clone(),
    };
    Symbols::find(&path, &hex(&module.build_id), image, places, lines)
}
