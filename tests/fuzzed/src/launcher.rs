//! What the launcher reads of programs and of other processes, by its own files: it is a program, which nothing can be linked with.

#![allow(dead_code, reason = "the launcher uses all of it")]

#[path = "../../../src/bin/nosigpipe/platform/linux/elf.rs"]
mod elf;
#[path = "../../../src/bin/nosigpipe/platform/macos/loaded.rs"]
mod loaded;
#[path = "../../../src/bin/nosigpipe/platform/linux/loader_cache.rs"]
mod loader_cache_file;
#[path = "../../../src/bin/nosigpipe/platform/macos/macho.rs"]
mod macho;
#[path = "../../../src/bin/nosigpipe/preflight/script.rs"]
mod script;
#[path = "../../../src/bin/nosigpipe/platform/macos/signature.rs"]
mod signature;
#[path = "../../../src/bin/nosigpipe/snapshot.rs"]
mod snapshot;

use super::{BASE, Memory};
use unwind::ReadOwned;

// What the files above ask the rest of the launcher for.

pub const PRELOAD: &str = "LD_PRELOAD";

pub mod exit {
    pub fn reason(error: &std::io::Error) -> String {
        error.to_string()
    }
}

pub mod platform {
    pub const SHEBANG_MAX: usize = 256;
    pub const SPLITS_SHEBANG_ARGUMENTS: bool = false;
}

/// A program: what `check` says of an ELF file, or of a script by its first line.
pub fn elf_program(data: &[u8]) {
    if let Some(line) = data.strip_prefix(b"#!") {
        let _ = script::parse(line).map(|script| script.target());
    } else if let Ok(Some(image)) = elf::Image::parse(data) {
        let _ = (image.objection(), image.remark(), image.is_loader());
    }
}

/// A part of a file or of memory that begins at an address.
fn part(data: &[u8], at: u64, size: usize) -> Option<Vec<u8>> {
    let start = usize::try_from(at).ok()?;
    Some(data.get(start..start.checked_add(size)?)?.to_vec())
}

/// A Mach-O program, for both of the processors that there are Macs with.
pub fn macho_program(data: &[u8]) {
    for host in [macho::Cpu::X86_64, macho::Cpu::Arm64] {
        if let Ok(Some(image)) = macho::Image::parse(&|at, size| part(data, at, size), host) {
            let _ = (image.objection(), image.remark(), image.slices_in_words(), image.has_slice_for(&image));
        }
    }
}

/// A process's memory with dyld's list of images at its beginning.
pub fn macho_process(data: &[u8]) {
    let read = |at: u64, size: usize| part(data, at.checked_sub(BASE)?, size);
    for image in loaded::images(&read, BASE).unwrap_or_default().iter().take(4) {
        let _ = (loaded::exported(&read, image.start, "nosigpipe_state"), loaded::text_size(&read, image.start));
    }
}

/// /etc/ld.so.cache
pub fn loader_cache(data: &[u8]) {
    if let Some(cache) = loader_cache_file::Cache::parse(data) {
        assert!(cache.find("libc.so.6").all(|path| path.as_os_str().len() <= data.len()));
    }
}

/// The library's state in another process, and the name of a directory that it leads to.
pub fn other_process(data: &[u8]) {
    let state = data.get(..snapshot::Snapshot::SIZE.min(data.len())).unwrap_or_default();
    let library = snapshot::Library::new(String::new(), state, |at, size| Memory(data).bytes(at, size));
    if let Ok(snapshot) = &library.snapshot {
        let _ = (snapshot.broken_pipes(), snapshot.by_call().count(), library.is_used());
    }
}
