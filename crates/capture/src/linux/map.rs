//! What is mapped: from /proc/self/maps, or from the loader's list where there is no /proc.

use alloc::collections::BTreeMap;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::system;
use crate::platform;
use crate::process::{Map, Mapping, Memory, Module, ReadMemory, ReadOwned};
use formats::maps;
use runtime::crash;
use unwind::elf::{self, Loaded, PT_DYNAMIC, PT_LOAD, Segment};

/// What the unwinder and the names need of a module.
pub struct Parts {
    /// Behind the last address of the first of its mappings.
    pub first_end: u64,
    /// Address and length of .eh_frame_hdr in memory.
    pub unwind_table: Option<(u64, u64)>,
    /// Address and length of the dynamic section in memory.
    pub dynamic: Option<(u64, u64)>,
}

/// Address and length of the dynamic section, by which the crate `python` finds a module's exported names.
pub fn exports(module: &Module) -> Option<(u64, u64)> {
    module.parts.dynamic
}

/// elf.h: the entry of the dynamic section where the loader puts the address of its struct r_debug.
const DT_DEBUG: u64 = 21;
/// elf.h: the program header of the table of program headers itself.
const PT_PHDR: u32 = 6;

/// Everything that is mapped. Also hands that to `memory`, for the case that the kernel does not let us read by system calls.
pub fn read_map(memory: &mut Memory) -> Map {
    let mut own = read_maps(b"/proc/self/maps\0");
    if own.is_empty() {
        // The main thread has ended before the others. (proc(5); since Linux 3.17)
        own = read_maps(b"/proc/thread-self/maps\0");
    }
    let all = match platform::original() {
        Some(process) if system::is_proc_ours() => {
            let original = read_maps(format!("/proc/{process}/maps\0").as_bytes());
            let shared = shared_with(&original, own);
            with_missing(shared, original)
        }
        _ => own,
    };
    let all = crash::own_mappings().into_iter().fold(all, without);
    let (mappings, offsets): (Vec<Mapping>, Vec<u64>) = all.into_iter().unzip();
    memory.learn(&mappings);
    if mappings.is_empty() {
        return from_loader(memory, Map { mappings: Vec::new(), modules: Vec::new() });
    }
    let mut map = Map { mappings, modules: Vec::new() };
    let starts: Vec<Module> = map
        .mappings
        .iter()
        .zip(&offsets)
        .filter(|(mapping, offset)| {
            **offset == 0 && !mapping.path.is_empty() && (!mapping.path.starts_with('[') || mapping.path == "[vdso]")
        })
        .filter_map(|(mapping, _)| module(memory, &map, mapping))
        .collect();
    for module in starts {
        // A second mapping from offset 0 is of a segment that shares the first page of the file with the headers.
        if map.modules.last().is_none_or(|last| last.end <= module.start) {
            map.modules.push(module);
        }
    }
    // A program may have replaced the page with the headers by other memory: those modules the loader still knows.
    from_loader(memory, map)
}

/// The mappings in a file of /proc, and the offset in its file at which each starts.
fn read_maps(path: &[u8]) -> Vec<(Mapping, u64)> {
    let Some(text) = system::read_file(path, 64 << 20) else { return Vec::new() };
    text.split(|&byte| byte == b'\n').filter_map(mapping).collect()
}

/// All mappings but what lies between two addresses, which may be a part of one: the kernel merges neighbours of the same protection.
fn without(all: Vec<(Mapping, u64)>, (start, end): (u64, u64)) -> Vec<(Mapping, u64)> {
    let mut rest = Vec::with_capacity(all.len() + 1);
    for (mapping, offset) in all {
        let after = mapping.start.max(end);
        if mapping.end <= start || mapping.start >= end {
            rest.push((mapping, offset));
            continue;
        }
        if mapping.start < start {
            rest.push((Mapping { end: start, ..mapping.clone() }, offset));
        }
        if after < mapping.end {
            let offset = offset.wrapping_add(after - mapping.start);
            rest.push((Mapping { start: after, ..mapping }, offset));
        }
    }
    rest
}

/// The parts of a copy's own mappings that its original has, too: memory that the copy has got since may lie at the very address of
/// the fault, where the original has nothing. All of them where the original's are not known. Both are in ascending order.
fn shared_with(original: &[(Mapping, u64)], own: Vec<(Mapping, u64)>) -> Vec<(Mapping, u64)> {
    // Neighbours may be one mapping in the copy and two in the original: only the gaps between mappings count.
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (mapping, _) in original {
        match ranges.last_mut().filter(|last| last.1 == mapping.start) {
            Some(last) => last.1 = mapping.end,
            None => ranges.push((mapping.start, mapping.end)),
        }
    }
    if ranges.is_empty() {
        return own;
    }
    let mut shared = Vec::with_capacity(own.len());
    let mut rest = ranges.as_slice();
    for (mapping, offset) in own {
        while let Some((_, later)) = rest.split_first().filter(|(first, _)| first.1 <= mapping.start) {
            rest = later;
        }
        for &(start, end) in rest.iter().take_while(|range| range.0 < mapping.end) {
            let (start, end) = (start.max(mapping.start), end.min(mapping.end));
            let part = Mapping { start, end, ..mapping.clone() };
            shared.push((part, offset.wrapping_add(start - mapping.start)));
        }
    }
    shared
}

/// A copy's mappings, with those that only the original has added as not copied. Both are in ascending order, and so is the result.
fn with_missing(own: Vec<(Mapping, u64)>, original: Vec<(Mapping, u64)>) -> Vec<(Mapping, u64)> {
    let mut all = Vec::with_capacity(original.len());
    let mut own = own.into_iter().peekable();
    for (mapping, offset) in original {
        let mut start = mapping.start;
        while start < mapping.end {
            // Where the copy's next mapping starts.
            let next = own.peek().map_or(u64::MAX, |(own, _)| own.start);
            if next <= start {
                if let Some((own, offset)) = own.next() {
                    start = start.max(own.end);
                    all.push((own, offset));
                }
                continue;
            }
            let end = next.min(mapping.end);
            let part = Mapping { start, end, copied: false, ..mapping.clone() };
            all.push((part, offset.wrapping_add(start - mapping.start)));
            start = end;
        }
    }
    all.extend(own);
    all
}

/// One line of /proc/PID/maps, with its offset in the file.
fn mapping(line: &[u8]) -> Option<(Mapping, u64)> {
    let line = maps::line(line)?;
    let mapping = Mapping {
        start: line.start,
        end: line.end,
        readable: line.readable,
        writable: line.writable,
        executable: line.executable,
        copied: true,
        path: path(&line),
    };
    Some((mapping, line.offset))
}

/// The path of a mapping. Where it has line ends in it, or looks as if, it is the one by which the file is there.
fn path(line: &maps::Line) -> String {
    let written = String::from_utf8_lossy(line.path).into_owned();
    let is_there = |path: &[u8]| CString::new(path).is_ok_and(|path| system::inode(&path) == Some(line.inode));
    let Some(name) = maps::with_line_ends(line.path).filter(|_| !is_there(line.path)) else { return written };
    let name: Vec<u8> = name.collect();
    let lossy = String::from_utf8_lossy(&name);
    // A deleted file is nowhere.
    if is_there(&name) || lossy == system::executable_path() { lossy.into_owned() } else { written }
}

/// The module whose headers are in this mapping.
fn module(memory: &mut Memory, map: &Map, mapping: &Mapping) -> Option<Module> {
    let loaded = elf::loaded_at(memory, mapping.start, |address| map.is_code(address))?;
    Some(module_of(loaded, mapping.path.clone(), Some(mapping.end)))
}

/// A module. Where the end of its first mapping is not known, the module's end stands for it.
fn module_of(loaded: Loaded, path: String, first_end: Option<u64>) -> Module {
    let Loaded { start, end, bias, build_id, unwind_table, dynamic } = loaded;
    let parts = Parts { first_end: first_end.unwrap_or(end), unwind_table, dynamic };
    Module { path, start, end, bias, build_id, parts }
}

/// Adds the modules that are missing, by the list that the dynamic loader keeps for debuggers (struct link_map, link.h), which is read
/// without its lock. Without /proc, that is all modules, and their segments stand for the mappings.
fn from_loader(memory: &mut Memory, mut map: Map) -> Map {
    let is_all = map.mappings.is_empty();
    let (headers, count) = system::program_headers();
    let Some(own) = elf::program_headers(memory, headers, count) else { return map };
    let dynamic = |segments: &[Segment]| segments.iter().find(|s| s.kind == PT_DYNAMIC).map(|s| s.address);
    // PT_PHDR has the table's address in the file; the difference is the bias.
    let bias = own.iter().find(|s| s.kind == PT_PHDR).map_or(0, |s| headers.wrapping_sub(s.address));
    let mut seen = BTreeMap::new();
    add(memory, &mut map, bias, &own, system::executable_path(), is_all);
    let Some(dynamic) = dynamic(&own) else { return map };
    let mut entry = bias.wrapping_add(dynamic);
    let mut link = loop {
        match (memory.u64_at(entry), memory.u64_at(entry + 8)) {
            (Some(DT_DEBUG), Some(debug)) => break memory.u64_at(debug + 8).unwrap_or(0),
            (Some(tag), Some(_)) if tag != 0 => entry += 16,
            _ => return map,
        }
    };
    while link != 0 && seen.insert(link, ()).is_none() {
        let (Some(base), Some(name), Some(next)) =
            (memory.u64_at(link), memory.u64_at(link + 8), memory.u64_at(link + 24))
        else {
            break;
        };
        if base != bias
            && let Some(segments) = elf::segments(memory, base)
        {
            let path = memory.text(name);
            add(memory, &mut map, base, &segments, path, is_all);
        }
        link = next;
    }
    map.mappings.sort_by_key(|mapping| mapping.start);
    map.modules.sort_by_key(|module| module.start);
    map
}

/// Adds the module with these segments unless it is there; `with_mappings`, its segments as mappings, too.
fn add(memory: &mut Memory, map: &mut Map, bias: u64, segments: &[Segment], path: String, with_mappings: bool) {
    let Some((start, end)) = elf::extent(segments, bias) else { return };
    if map.modules.iter().any(|module| module.start < end && start < module.end) {
        return;
    }
    for segment in segments.iter().filter(|segment| with_mappings && segment.kind == PT_LOAD) {
        let Some((from, to)) = elf::extent(core::slice::from_ref(segment), bias) else { continue };
        map.mappings.push(Mapping {
            start: from,
            end: to,
            readable: segment.flags & 4 != 0,
            writable: segment.flags & 2 != 0,
            executable: segment.flags & 1 != 0,
            copied: true,
            path: path.clone(),
        });
    }
    if let Some(loaded) = elf::loaded(memory, segments, bias) {
        map.modules.push(module_of(loaded, path, None));
    }
}
