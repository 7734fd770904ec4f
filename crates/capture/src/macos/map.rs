//! What is mapped: regions as the kernel has them, images by dyld's own list.
//!
//! The list is read without dyld's lock, and no pointer in it is trusted: after a crash in the middle of dlopen(3) it may be null or
//! stale. Then images, and names with them, are missing.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use formats::dyld::{self, Images};
use formats::macho::{HEADER_SIZE, Header};
use libc::c_int;

use crate::platform::{PAGE, all_image_infos};
use crate::process::{Map, Mapping, Memory, Module, ReadOwned};
use symbols::macho::{Data, File};

unsafe extern "C" {
    static mach_task_self_: u32;
    /// mach/mach_vm.h
    fn mach_vm_region_recurse(
        task: u32,
        address: *mut u64,
        size: *mut u64,
        depth: *mut u32,
        info: *mut RegionInfo,
        count: *mut u32,
    ) -> c_int;
}

/// The beginning of `vm_region_submap_short_info_64` (mach/vm_region.h), which is all of it that is needed.
#[repr(C, packed(4))]
#[derive(Clone, Copy, Default)]
struct RegionInfo {
    protection: u32,
    max_protection: u32,
    inheritance: u32,
    offset: u64,
    user_tag: u32,
    reference_count: u32,
    shadow_depth: u16,
    external_pager: u8,
    share_mode: u8,
    is_submap: u32,
    behavior: u32,
    object_id: u32,
    wired_count: u16,
    padding: u16,
}

/// What the unwinder and the names need of an image.
pub struct Parts {
    /// The image in memory.
    pub file: File,
    /// How its bytes are found.
    pub data: Data,
}

/// Regions that are looked at, at most.
const MOST_REGIONS: usize = 64 * 1024;

/// Everything that is mapped. Also hands that to `memory`, for the case that the kernel does not let us read by system calls.
pub fn read_map(memory: &mut Memory) -> Map {
    let mut map = Map { mappings: regions(), modules: Vec::new() };
    memory.learn(&map.mappings);
    let images = images(memory);
    let mut modules: Vec<Module> =
        images.into_iter().filter_map(|(start, path)| module(memory, &map, start, path)).collect();
    modules.sort_by_key(|module| module.start);
    // A region within one image's segment gets that image's path; one that several images of dyld's shared cache are in has none.
    for module in &modules {
        for segment in module.parts.file.segments() {
            let start = segment.address.wrapping_add(module.bias);
            let end = start.saturating_add(segment.size).next_multiple_of(PAGE as u64);
            let from = map.mappings.partition_point(|mapping| mapping.start < start);
            for mapping in map.mappings.iter_mut().skip(from).take_while(|mapping| mapping.end <= end) {
                mapping.path.clone_from(&module.path);
            }
        }
    }
    map.modules = modules;
    map
}

/// The regions; of a submap, such as dyld's shared cache, the regions in it.
fn regions() -> Vec<Mapping> {
    // VM_PROT_* (mach/vm_prot.h)
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const EXECUTE: u32 = 4;
    let mut found: Vec<Mapping> = Vec::new();
    let (mut address, mut depth) = (0u64, 0u32);
    for _ in 0..MOST_REGIONS {
        let (mut size, mut info) = (0u64, RegionInfo::default());
        let mut count = (size_of::<RegionInfo>() / size_of::<u32>()) as u32;
        // SAFETY: the pointers are to variables of ours; the kernel writes no more than `count` numbers of 32 bits into `info`.
        let result = unsafe {
            mach_vm_region_recurse(
                mach_task_self_,
                &raw mut address,
                &raw mut size,
                &raw mut depth,
                &raw mut info,
                &raw mut count,
            )
        };
        if result != 0 || size == 0 {
            break;
        }
        if info.is_submap != 0 {
            depth += 1;
            continue;
        }
        let Some(end) = address.checked_add(size) else { break };
        let RegionInfo { protection, user_tag, .. } = info;
        found.push(Mapping {
            start: address,
            end,
            readable: protection & READ != 0,
            writable: protection & WRITE != 0,
            executable: protection & EXECUTE != 0,
            copied: true,
            path: purpose(user_tag).to_owned(),
        });
        address = end;
    }
    found
}

/// What memory with this VM_MEMORY_* tag is for (mach/vm_statistics.h); empty for other tags.
fn purpose(tag: u32) -> &'static str {
    match tag {
        1..=13 => "[malloc]",
        30 => "[stack]",
        31 => "[guard]",
        33 => "[dyld]",
        _ => "",
    }
}

/// The address of each image's header, and its path.
fn images(memory: &mut Memory) -> Vec<(u64, String)> {
    let Some(infos) = all_image_infos() else { return Vec::new() };
    let mut all = Vec::new();
    if let Some(images) = Images::read(memory, infos) {
        images.each(memory, |image| all.push(image));
    }
    let mut found: Vec<(u64, String)> = all.into_iter().map(|image| (image.start, memory.text(image.path))).collect();
    if let Some(start) = dyld::loader(memory, infos) {
        found.push((start, "/usr/lib/dyld".to_owned()));
    }
    found
}

/// The module whose Mach-O header is at `start`.
fn module(memory: &mut Memory, map: &Map, start: u64, path: String) -> Option<Module> {
    let size = HEADER_SIZE + u64::from(Header::read(memory, start)?.commands_size);
    let header = map.in_memory(start, size).filter(|header| header.len() as u64 == size)?;
    let bare = File::parse(Data::Loaded { header, linkedit: &[], offset: 0 })?;
    let text = bare.segment(b"__TEXT")?;
    let bias = start.wrapping_sub(text.address);
    let linkedit = bare.segment(b"__LINKEDIT");
    let bytes = linkedit.as_ref().and_then(|s| map.in_memory(s.address.wrapping_add(bias), s.size));
    let data = Data::Loaded {
        header,
        linkedit: bytes.unwrap_or_default(),
        offset: linkedit.map_or(size, |linkedit| linkedit.offset.max(size)),
    };
    let file = File::parse(data)?;
    let build_id = file.uuid().map(Vec::from).unwrap_or_default();
    Some(Module { path, start, end: start + text.size, bias, build_id, parts: Parts { file, data } })
}

/// Address and length of the dynamic section, by which the crate `python` finds a module's exported names: Mach-O has none, and so
/// Python's stacks are not read here.
pub fn exports(_: &Module) -> Option<(u64, u64)> {
    None
}
