//! Where names are found: in Mach-O images.

use crate::process::{Map, Module};
use symbols::{DebugFiles, hex, macho};

pub use macho::Symbols;

/// Where separate debug files are: a dSYM lies beside its image.
pub const DEBUG_DIRECTORIES: &[&str] = &[];

/// A module's symbols. `lines` says whether to read debug information, too.
pub fn symbols(_map: &Map, module: &Module, debug_files: DebugFiles, lines: bool) -> Symbols {
    Symbols::find(&module.path, &hex(&module.build_id), Some(module.parts.data), debug_files, lines)
}
