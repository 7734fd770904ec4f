//! What is mapped: from /proc/self/maps, or from the loader's list where there is no /proc.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::system;
use crate::platform;
use crate::process::{Map, Mapping, Memory, Module};

/// What the unwinder and the names need of a module.
pub struct Parts {
    /// End of the first of its mappings.
    pub first_end: u64,
    /// Address and length of .eh_frame_hdr in memory.
    pub unwind_table: Option<(u64, u64)>,
    /// Address and length of the dynamic section in memory.
    pub dynamic: Option<(u64, u64)>,
}

/// The ELF constants that are needed here (elf.h).
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
const NT_GNU_BUILD_ID: u32 = 3;
const DT_DEBUG: u64 = 21;

/// Everything that is mapped. Also tells `memory`, for the case that the kernel does not let it look.
pub fn read_map(memory: &mut Memory) -> Map {
    // With where each starts in its file.
    let own = read_maps(b"/proc/self/maps\0");
    let all = match platform::original() {
        Some(process) if system::is_proc_ours() => {
            with_missing(own, read_maps(format!("/proc/{process}/maps\0").as_bytes()))
        }
        _ => own,
    };
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

/// What is mapped in a copy, and what only the original has; all three in ascending order.
fn with_missing(own: Vec<(Mapping, u64)>, original: Vec<(Mapping, u64)>) -> Vec<(Mapping, u64)> {
    let mut all = Vec::with_capacity(original.len());
    let mut own = own.into_iter().peekable();
    for (mapping, offset) in original {
        let mut start = mapping.start;
        while start < mapping.end {
            // What is up to here in the copy is not missing.
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
    // 55e0c0a00000-55e0c0a02000 r--p 00000000 fe:00 1234   /usr/bin/true
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?.as_bytes();
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let path = fields.nth(2).unwrap_or_default().trim_start();
    let mapping = Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        readable: rights.first() == Some(&b'r'),
        writable: rights.get(1) == Some(&b'w'),
        executable: rights.get(2) == Some(&b'x'),
        copied: true,
        path: path.to_owned(),
    };
    Some((mapping, offset))
}

struct Segment {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    size: u64,
}

fn segments(memory: &mut Memory, header: u64) -> Option<Vec<Segment>> {
    let elf = bytes(memory, header, 64)?;
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = word_at(&elf, 32)?;
    let count = u16::from_le_bytes(elf.get(56..58)?.try_into().ok()?);
    program_headers(memory, header + table, u64::from(count))
}

fn program_headers(memory: &mut Memory, table: u64, count: u64) -> Option<Vec<Segment>> {
    let table = bytes(memory, table, 56 * usize::try_from(count).ok()?)?;
    table
        .chunks_exact(56)
        .map(|entry| {
            Some(Segment {
                kind: u32::from_le_bytes(entry.get(..4)?.try_into().ok()?),
                flags: u32::from_le_bytes(entry.get(4..8)?.try_into().ok()?),
                offset: word_at(entry, 8)?,
                address: word_at(entry, 16)?,
                size: word_at(entry, 40)?,
            })
        })
        .collect()
}

/// Bytes, if all are there.
fn bytes(memory: &mut Memory, address: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    (memory.read(address, &mut bytes) == length).then_some(bytes)
}

fn word_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
}

/// The module whose headers are in this mapping. How far it reaches is what its program headers say: programs move their
/// code to other memory, so that it can have huge pages, and the rest of its file need not be behind it any more.
fn module(memory: &mut Memory, map: &Map, mapping: &Mapping) -> Option<Module> {
    let segments = segments(memory, mapping.start)?;
    let first = segments.iter().find(|segment| segment.kind == PT_LOAD)?;
    let bias = mapping.start.wrapping_sub(first.address.wrapping_sub(first.offset));
    // A file that was only mapped to be read has no code where it should be.
    let is_code = |segment: &Segment| {
        segment.kind == PT_LOAD && segment.flags & 1 != 0 && map.is_code(bias.wrapping_add(segment.address))
    };
    if !segments.iter().any(is_code) {
        return None;
    }
    let (start, end) = extent(&segments, bias)?;
    let module = Module {
        path: mapping.path.clone(),
        start: start.min(mapping.start),
        end,
        bias,
        build_id: Vec::new(),
        parts: Parts { first_end: mapping.end, unwind_table: None, dynamic: None },
    };
    Some(finish(memory, &segments, module))
}

/// The pages from a module's first to its last.
fn extent(segments: &[Segment], bias: u64) -> Option<(u64, u64)> {
    let pages = segments.iter().filter(|segment| segment.kind == PT_LOAD).map(|segment| {
        let start = bias.wrapping_add(segment.address);
        (start & !4095, start.checked_add(segment.size).map_or(0, |end| end.saturating_add(4095) & !4095))
    });
    pages.reduce(|(start, end), (from, to)| (start.min(from), end.max(to))).filter(|(start, end)| start < end)
}

fn finish(memory: &mut Memory, segments: &[Segment], mut module: Module) -> Module {
    for segment in segments {
        let address = module.bias.wrapping_add(segment.address);
        match segment.kind {
            PT_NOTE if module.build_id.is_empty() => {
                module.build_id = build_id(memory, address, segment.size).unwrap_or_default();
            }
            PT_DYNAMIC => module.parts.dynamic = Some((address, segment.size)),
            PT_GNU_EH_FRAME => module.parts.unwind_table = Some((address, segment.size)),
            _ => {}
        }
    }
    module
}

fn build_id(memory: &mut Memory, start: u64, size: u64) -> Option<Vec<u8>> {
    let notes = bytes(memory, start, usize::try_from(size.min(4096)).ok()?)?;
    let mut rest = notes.as_slice();
    while let Some((header, after)) = rest.split_at_checked(12) {
        let number = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
        let (name_size, size, kind) = (number(0)? as usize, number(4)? as usize, number(8)?);
        let data = name_size.next_multiple_of(4);
        if kind == NT_GNU_BUILD_ID && after.starts_with(b"GNU\0") {
            return after.get(data..data + size).map(<[u8]>::to_vec);
        }
        rest = after.get(data + size.next_multiple_of(4)..)?;
    }
    None
}

/// Adds what is missing from the list that the dynamic loader keeps for debuggers (link.h), read but not locked: without
/// /proc, everything.
fn from_loader(memory: &mut Memory, mut map: Map) -> Map {
    let is_all = map.mappings.is_empty();
    let (headers, count) = system::program_headers();
    let Some(own) = program_headers(memory, headers, count) else { return map };
    let dynamic = |segments: &[Segment]| segments.iter().find(|s| s.kind == PT_DYNAMIC).map(|s| s.address);
    // PT_PHDR (6) says where the table would be without a bias.
    let bias = own.iter().find(|s| s.kind == 6).map_or(0, |s| headers.wrapping_sub(s.address));
    let mut seen = BTreeMap::new();
    add(memory, &mut map, bias, &own, system::executable_path(), is_all);
    let Some(dynamic) = dynamic(&own) else { return map };
    let mut entry = bias.wrapping_add(dynamic);
    let mut link = loop {
        match (memory.word(entry), memory.word(entry + 8)) {
            (Some(DT_DEBUG), Some(debug)) => break memory.word(debug + 8).unwrap_or(0),
            (Some(tag), Some(_)) if tag != 0 => entry += 16,
            _ => return map,
        }
    };
    while link != 0 && seen.insert(link, ()).is_none() {
        let (Some(base), Some(name), Some(next)) = (memory.word(link), memory.word(link + 8), memory.word(link + 24))
        else {
            break;
        };
        if base != bias
            && let Some(segments) = segments(memory, base)
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
    let Some((start, end)) = extent(segments, bias) else { return };
    if map.modules.iter().any(|module| module.start < end && start < module.end) {
        return;
    }
    for segment in segments.iter().filter(|segment| with_mappings && segment.kind == PT_LOAD) {
        let Some((from, to)) = extent(core::slice::from_ref(segment), bias) else { continue };
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
    let module = Module {
        path,
        start,
        end,
        bias,
        build_id: Vec::new(),
        parts: Parts { first_end: end, unwind_table: None, dynamic: None },
    };
    map.modules.push(finish(memory, segments, module));
}
