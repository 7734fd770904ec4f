//! What is mapped: from /proc/self/maps, or from the loader's list where there is no /proc.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::system;
use crate::platform;
use crate::process::{Map, Mapping, Memory, Module, ReadMemory};
use runtime::crash;
use unwind::elf::{self, Loaded, PT_DYNAMIC, PT_LOAD, Segment};
use unwind::maps;

/// What the unwinder and the names need of a module.
pub struct Parts {
    /// End of the first of its mappings.
    pub first_end: u64,
    /// Address and length of .eh_frame_hdr in memory.
    pub unwind_table: Option<(u64, u64)>,
    /// Address and length of the dynamic section in memory.
    pub dynamic: Option<(u64, u64)>,
}

/// Address and length of what leads to a module's exported names, where the crate `python` can look them up.
pub fn exports(module: &Module) -> Option<(u64, u64)> {
    module.parts.dynamic
}

const DT_DEBUG: u64 = 21;

/// Everything that is mapped. Also tells `memory`, for the case that the kernel does not let it look.
pub fn read_map(memory: &mut Memory) -> Map {
    // With where each starts in its file.
    let own = read_maps(b"/proc/self/maps\0");
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
        // What shares the first page of the file with the headers is mapped from offset 0, too.
        if map.modules.last().is_none_or(|last| last.end <= module.start) {
            map.modules.push(module);
        }
    }
    // Where the first page itself is on other memory now, the loader still knows.
    from_loader(memory, map)
}

fn read_maps(path: &[u8]) -> Vec<(Mapping, u64)> {
    let Some(text) = system::read_file(path, 64 << 20) else { return Vec::new() };
    String::from_utf8_lossy(&text).lines().filter_map(mapping).collect()
}

/// All but what lies between two addresses. It may be the end of a mapping that was there before: the kernel joins them.
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

/// What a copy has of its original's mappings: not the memory that it has got since, which may lie where the original has nothing, at
/// the very address of the fault. All of it where the original's are not known. Both are in ascending order.
fn shared_with(original: &[(Mapping, u64)], own: Vec<(Mapping, u64)>) -> Vec<(Mapping, u64)> {
    // Where one mapping follows another without a gap, the copy's may be divided elsewhere.
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

/// What is mapped in a copy, and what only the original has; all three in ascending order.
fn with_missing(own: Vec<(Mapping, u64)>, original: Vec<(Mapping, u64)>) -> Vec<(Mapping, u64)> {
    let mut all = Vec::with_capacity(original.len());
    let mut own = own.into_iter().peekable();
    for (mapping, offset) in original {
        let mut start = mapping.start;
        while start < mapping.end {
            // What the copy has up to here.
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

fn mapping(line: &str) -> Option<(Mapping, u64)> {
    let line = maps::line(line)?;
    let mapping = Mapping {
        start: line.start,
        end: line.end,
        readable: line.readable,
        writable: line.writable,
        executable: line.executable,
        copied: true,
        path: line.path.to_owned(),
    };
    Some((mapping, line.offset))
}

/// The module whose headers are in this mapping.
fn module(memory: &mut Memory, map: &Map, mapping: &Mapping) -> Option<Module> {
    let loaded = elf::loaded_at(memory, mapping.start, |address| map.is_code(address))?;
    Some(module_of(loaded, mapping.path.clone(), Some(mapping.end)))
}

/// A module; where its first mapping does not have an end of its own, it is the module's.
fn module_of(loaded: Loaded, path: String, first_end: Option<u64>) -> Module {
    let Loaded { start, end, bias, build_id, unwind_table, dynamic } = loaded;
    let parts = Parts { first_end: first_end.unwrap_or(end), unwind_table, dynamic };
    Module { path, start, end, bias, build_id, parts }
}

/// Adds what is missing from the list that the dynamic loader keeps for debuggers (link.h), read but not locked: without
/// /proc, everything.
fn from_loader(memory: &mut Memory, mut map: Map) -> Map {
    let is_all = map.mappings.is_empty();
    let (headers, count) = system::program_headers();
    let Some(own) = elf::program_headers(memory, headers, count) else { return map };
    let dynamic = |segments: &[Segment]| segments.iter().find(|s| s.kind == PT_DYNAMIC).map(|s| s.address);
    // PT_PHDR (6) says where the table would be without a bias.
    let bias = own.iter().find(|s| s.kind == 6).map_or(0, |s| headers.wrapping_sub(s.address));
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
