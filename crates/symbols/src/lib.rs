//! Names, files and lines for the addresses of one module, out of its files.
//!
//! ELF and Mach-O on every system, since the launcher reads reports of both. The library uses the one that its system has.

#![no_std]

extern crate alloc;

pub mod demangle;
pub mod elf;
pub mod macho;
pub mod values;
mod xz;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use addr2line::{Context, LookupContinuation, LookupResult, SplitDwarfLoad};
use gimli::{Dwarf, EndianSlice, LittleEndian};

pub use demangle::demangle;

type Reader = EndianSlice<'static, LittleEndian>;

/// Where debug files are, how they are opened, and what is read of them.
#[derive(Clone, Copy)]
pub struct DebugFiles<'a> {
    /// Where distributions put debug files, such as `/usr/lib/debug`.
    pub directories: &'a [String],
    /// Maps a whole file for reading, for good; `None` where that is not possible.
    pub open: fn(&str) -> Option<&'static [u8]>,
    /// Whether to read the sections that only values of variables need.
    pub variables: bool,
}

/// What an address is called.
#[derive(Clone, Default)]
pub struct Name {
    /// Demangled.
    pub function: String,
    /// Bytes from the function's start, where that is known.
    pub function_offset: Option<u64>,
    /// Source file; empty when it is not known.
    pub file: String,
    /// Line in that file, from 1 on; 0 when it is not known.
    pub line: u64,
    /// Inlined into the function that follows.
    pub inlined: bool,
}

/// What debug information calls an address: what was inlined there first. `split` finds the parts of it that are in files
/// of their own.
fn frames(
    lines: &Context<Reader>,
    address: u64,
    split: impl Fn(&SplitDwarfLoad<Reader>) -> Option<Dwarf<Reader>>,
) -> Option<Vec<Name>> {
    let mut result = lines.find_frames(address);
    let mut frames = loop {
        match result {
            LookupResult::Output(frames) => break frames.ok()?,
            LookupResult::Load { load, continuation } => {
                result = continuation.resume(split(&load).map(Arc::new));
            }
        }
    };
    let mut names = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        let function = frame.function.map(|function| demangle(function.name.slice())).unwrap_or_default();
        let (file, line) = frame.location.map_or_else(Default::default, |location| {
            (location.file.unwrap_or_default().to_owned(), u64::from(location.line.unwrap_or(0)))
        });
        names.push(Name { function, function_offset: None, file, line, inlined: true });
    }
    // Code that the compiler has added has line 0. The code just before it, if it is of the same file, has the line that it serves.
    if let Some(innermost) = names.first_mut().filter(|innermost| innermost.line == 0) {
        let before = (1..256).filter_map(|back| lines.find_location(address.checked_sub(back)?).ok()?);
        let with_line = |location: &addr2line::Location| location.line.is_some_and(|line| line > 0);
        if let Some(location) = before.into_iter().find(with_line)
            && location.file.is_some_and(|file| innermost.file.is_empty() || file == innermost.file)
        {
            innermost.file = location.file.unwrap_or_default().to_owned();
            innermost.line = u64::from(location.line.unwrap_or(0));
        }
    }
    Some(names)
}

/// What debug information calls an address, completed by what the symbol table says of the function that the address lies in: the
/// last one, which is inlined into none.
fn with_symbol(mut names: Vec<Name>, symbol: Option<(&[u8], u64)>) -> Vec<Name> {
    let mut outermost = names.pop().unwrap_or_default();
    if let Some((name, offset)) = symbol {
        outermost.function_offset = Some(offset);
        if outermost.function.is_empty() {
            outermost.function = demangle(name);
        }
    }
    outermost.inlined = false;
    names.push(outermost);
    names
}

/// Whether a section is needed for names and lines, or for variables. The others are as large, and may have to be decompressed.
fn is_wanted(id: gimli::SectionId, variables: bool) -> bool {
    use gimli::SectionId as Id;
    let is_for_variables = matches!(id, Id::DebugLoc | Id::DebugLocLists | Id::DebugTypes);
    let is_for_names = matches!(
        id,
        Id::DebugAbbrev
            | Id::DebugAddr
            | Id::DebugAranges
            | Id::DebugInfo
            | Id::DebugLine
            | Id::DebugLineStr
            | Id::DebugRanges
            | Id::DebugRngLists
            | Id::DebugStr
            | Id::DebugStrOffsets
    );
    is_for_names || variables && is_for_variables
}

fn reader(section: Option<&'static [u8]>) -> Reader {
    EndianSlice::new(section.unwrap_or_default(), LittleEndian)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
