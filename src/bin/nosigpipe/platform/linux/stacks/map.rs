//! What is mapped in another process, from /proc/PID/maps, and which files have code there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use formats::maps;
use libc::pid_t;
use unwind::elf::{self, Loaded};

use super::memory::{self, Memory};

/// A range of pages with the same rights.
#[derive(Clone)]
pub struct Mapping {
    /// Its first address.
    pub start: u64,
    /// The address behind its last byte.
    pub end: u64,
    pub readable: bool,
    pub writable: bool,
    pub executable: bool,
    /// Its file as the process sees it, or what it is for, such as `[stack]`; empty when there is neither.
    pub path: String,
    /// Where it starts in its file, in bytes.
    pub offset: u64,
    /// Device and inode of its file; zero when it has none.
    device: u64,
    inode: u64,
}

impl Mapping {
    /// A path by which its file can be opened here, if that is still the same file: its path for the process, the same
    /// below the process's root, or a link to what is mapped, which takes more rights.
    pub fn open_path(&self, pid: pid_t) -> Option<String> {
        if self.inode == 0 {
            return None;
        }
        let paths = [
            self.path.clone(),
            format!("/proc/{pid}/root{}", self.path),
            format!("/proc/{pid}/map_files/{:x}-{:x}", self.start, self.end),
            format!("/proc/{pid}/exe"),
        ];
        paths.into_iter().find(|path| std::fs::metadata(path).is_ok_and(|is| self.is_file(&is)))
    }

    /// Its file, if it can be opened.
    pub fn file(&self, pid: pid_t) -> Option<&'static [u8]> {
        memory::map_file_if(&self.open_path(pid)?, |is| self.is_file(is))
    }

    /// Whether this is its file. Overlay file systems have another device in /proc/PID/maps than in stat(2), with the
    /// major number 0: there, the inode has to do.
    fn is_file(&self, is: &std::fs::Metadata) -> bool {
        let has_device = libc::major(is.dev()) != 0;
        is.ino() == self.inode && (!has_device || is.dev() == self.device || libc::major(self.device) == 0)
    }
}

/// A file that is mapped with code in it.
pub struct Module {
    /// The file's path, as the process sees it.
    pub path: String,
    /// Its first mapping, which has the ELF header.
    pub first: Mapping,
    /// What its ELF headers in memory tell.
    pub loaded: Loaded,
}

/// Everything that is mapped, both lists in ascending order.
pub struct Map {
    /// The number by which the kernel shows the process: [`crate::platform::process::living_thread`].
    pub pid: pid_t,
    pub mappings: Vec<Mapping>,
    pub modules: Vec<Module>,
}

impl Map {
    /// What is mapped, with the files that have code there.
    pub fn new(pid: pid_t, mappings: Vec<Mapping>, memory: &mut Memory) -> Self {
        let mut map = Self { pid, mappings, modules: Vec::new() };
        let is_first = |mapping: &&Mapping| {
            mapping.offset == 0
                && mapping.readable
                && !mapping.path.is_empty()
                && (!mapping.path.starts_with('[') || mapping.path == "[vdso]")
        };
        let mut modules: Vec<Module> = Vec::new();
        for mapping in map.mappings.iter().filter(is_first) {
            // A later segment that begins within the first page of the file is mapped from offset 0, too. It is part of
            // the module before.
            if modules.last().is_some_and(|last| last.loaded.end > mapping.start) {
                continue;
            }
            if let Some(loaded) = elf::loaded_at(memory, mapping.start, |address| map.is_code(address)) {
                modules.push(Module { path: mapping.path.clone(), first: mapping.clone(), loaded });
            }
        }
        map.modules = modules;
        map
    }

    /// The index of the module that an address belongs to.
    pub fn module(&self, address: u64) -> Option<usize> {
        let after = self.modules.partition_point(|module| module.loaded.end <= address);
        self.modules.get(after).filter(|module| module.loaded.start <= address).map(|_| after)
    }

    /// The mapping that an address belongs to.
    pub fn mapping(&self, address: u64) -> Option<&Mapping> {
        mapping_of(&self.mappings, address)
    }

    /// Whether code can be there.
    pub fn is_code(&self, address: u64) -> bool {
        self.mapping(address).is_some_and(|mapping| mapping.executable)
    }

    /// The bytes from `start` on, of what does not change, as far as one mapping has them.
    pub fn content(&self, start: u64, size: u64) -> Option<&'static [u8]> {
        let mapping = self.mapping(start)?;
        memory::content(self.pid, mapping, start, size)
    }
}

/// The mapping that an address belongs to.
pub fn mapping_of(mappings: &[Mapping], address: u64) -> Option<&Mapping> {
    let after = mappings.partition_point(|mapping| mapping.end <= address);
    mappings.get(after).filter(|mapping| mapping.start <= address)
}

/// The path of a mapping. Where it has line ends in it, or looks as if, it is the one by which the file is there.
fn path(pid: pid_t, line: &maps::Line) -> String {
    let written = String::from_utf8_lossy(line.path).into_owned();
    let is_there = |path: &[u8]| {
        let inside = [format!("/proc/{pid}/root").as_bytes(), path].concat();
        [path, &inside]
            .iter()
            .any(|path| std::fs::metadata(OsStr::from_bytes(path)).is_ok_and(|is| is.ino() == line.inode))
    };
    let Some(name) = maps::with_line_ends(line.path).filter(|_| !is_there(line.path)) else { return written };
    let name: Vec<u8> = name.collect();
    // A deleted file is nowhere.
    let is_executable =
        || std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.as_os_str().as_bytes() == name);
    if is_there(&name) || is_executable() { String::from_utf8_lossy(&name).into_owned() } else { written }
}

/// The mappings of a process, in ascending order.
pub fn mappings(pid: pid_t) -> std::io::Result<Vec<Mapping>> {
    let text = std::fs::read(format!("/proc/{pid}/maps"))?;
    let mapping = |line: maps::Line| Mapping {
        start: line.start,
        end: line.end,
        readable: line.readable,
        writable: line.writable,
        executable: line.executable,
        path: path(pid, &line),
        offset: line.offset,
        device: libc::makedev(line.device.0, line.device.1),
        inode: line.inode,
    };
    Ok(text.split(|&byte| byte == b'\n').filter_map(maps::line).map(mapping).collect())
}
