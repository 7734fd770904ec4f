//! What the launcher says of Mach-O programs and reads out of processes, from files and memory made here: the code that
//! reads them is the launcher's own.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../src/bin/nosigpipe/platform/macos/loaded.rs"]
mod loaded;
#[path = "../src/bin/nosigpipe/platform/macos/macho.rs"]
mod macho;
#[path = "../src/bin/nosigpipe/platform/macos/signature.rs"]
mod signature;

use macho::{Cpu, Image, Kind};

const ALLOW_ENVIRONMENT: &str = "com.apple.security.cs.allow-dyld-environment-variables";
const ALLOW_LIBRARIES: &str = "com.apple.security.cs.disable-library-validation";
const RUNTIME: u32 = 0x10000;
const REQUIRE_LV: u32 = 0x2000;
const RESTRICT: u32 = 0x800;
const ADHOC: u32 = 2;

const X86_64: (u32, u32) = (0x0100_0007, 3);
const ARM64: (u32, u32) = (0x0100_000c, 0);
const ARM64E: (u32, u32) = (0x0100_000c, 0x8000_0002);
const I386: (u32, u32) = (7, 3);

/// A Mach-O file to be.
#[derive(Clone)]
struct Program {
    cpu: (u32, u32),
    filetype: u32,
    commands: Vec<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

impl Program {
    fn new(cpu: (u32, u32)) -> Self {
        Self { cpu, filetype: 2, commands: vec![named(0xe, 12, "/usr/lib/dyld")], signature: None }
    }

    fn signed(self, flags: u32, entitlements: Option<Vec<u8>>) -> Self {
        Self { signature: Some(super_blob(flags, entitlements)), ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut commands = self.commands.clone();
        let size: usize = commands.iter().map(Vec::len).sum::<usize>() + 16;
        if let Some(blob) = &self.signature {
            commands.push(le(&[0x1d, 16, 32 + size as u32, blob.len() as u32]));
        } else {
            commands.push(le(&[0x2a, 16, 0, 0]));
        }
        let mut file = le(&[
            0xfeed_facf,
            self.cpu.0,
            self.cpu.1,
            self.filetype,
            commands.len() as u32,
            commands.iter().map(Vec::len).sum::<usize>() as u32,
            0,
            0,
        ]);
        file.extend(commands.concat());
        file.extend(self.signature.iter().flatten());
        file
    }
}

fn le(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn be(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A load command that ends in a string.
fn named(command: u32, offset: u32, name: &str) -> Vec<u8> {
    let length = (offset as usize + name.len() + 1).next_multiple_of(8);
    let mut bytes = le(&[command, length as u32, offset]);
    bytes.resize(offset as usize, 0);
    bytes.extend(name.as_bytes());
    bytes.resize(length, 0);
    bytes
}

fn super_blob(flags: u32, entitlements: Option<Vec<u8>>) -> Vec<u8> {
    let directory = be(&[0xfade_0c02, 44, 0x20400, flags, 0, 0, 0, 0, 0, 0, 0]);
    let blobs: Vec<_> = [directory].into_iter().chain(entitlements).collect();
    let head = 12 + 8 * blobs.len();
    let length = head + blobs.iter().map(Vec::len).sum::<usize>();
    let mut bytes = be(&[0xfade_0cc0, length as u32, blobs.len() as u32]);
    let mut at = head;
    for (index, blob) in blobs.iter().enumerate() {
        bytes.extend(be(&[index as u32 * 5, at as u32]));
        at += blob.len();
    }
    bytes.extend(blobs.concat());
    bytes
}

fn xml(entitlements: &[(&str, &str)]) -> Vec<u8> {
    let entries: Vec<_> =
        entitlements.iter().map(|(name, value)| format!("\t<key>{name}</key>\n\t<{value}/>\n")).collect();
    let text = format!("<?xml version=\"1.0\"?>\n<plist version=\"1.0\"><dict>\n{}</dict></plist>\n", entries.concat());
    let mut blob = be(&[0xfade_7171, 8 + text.len() as u32]);
    blob.extend(text.as_bytes());
    blob
}

fn der(name: &str) -> Vec<u8> {
    let mut blob = be(&[0xfade_7172, 8 + 2 + name.len() as u32 + 3]);
    blob.extend([0x0c, name.len() as u8]);
    blob.extend(name.as_bytes());
    blob.extend([0x01, 0x01, 0xff]);
    blob
}

fn universal(programs: &[Program]) -> Vec<u8> {
    let mut file = be(&[0xcafe_babe, programs.len() as u32]);
    let mut at = 0x4000;
    for program in programs {
        let size = program.bytes().len();
        file.extend(be(&[program.cpu.0, program.cpu.1 & 0xff_ffff, at, size as u32, 14]));
        at += 0x4000;
    }
    for (index, program) in programs.iter().enumerate() {
        file.resize(0x4000 * (index + 1), 0);
        file.extend(program.bytes());
    }
    file
}

fn parse(file: &[u8], host: Cpu) -> Result<Option<Image>, String> {
    Image::parse(
        &|offset, size| {
            let start = usize::try_from(offset).ok()?;
            file.get(start..start.checked_add(size)?).map(<[u8]>::to_vec)
        },
        host,
    )
}

fn image(file: &[u8], host: Cpu) -> Image {
    parse(file, host).expect("it is not damaged").expect("it is Mach-O")
}

fn objection(program: &Program) -> Option<String> {
    image(&program.bytes(), Cpu::Arm64).objection()
}

fn assert_objection(program: &Program, part: &str) {
    let objection = objection(program).unwrap_or_default();
    assert!(objection.starts_with("it ") && objection.contains(part), "{part:?} is not in {objection:?}");
}

#[test]
fn a_plain_program_takes_the_library() {
    assert_eq!(objection(&Program::new(ARM64)), None);
    assert_eq!(objection(&Program::new(ARM64).signed(ADHOC, None)), None);
    assert_eq!(image(&Program::new(X86_64).bytes(), Cpu::X86_64).objection(), None);
}

#[test]
fn the_hardened_runtime_needs_both_entitlements() {
    let both = [(ALLOW_ENVIRONMENT, "true"), (ALLOW_LIBRARIES, "true")];
    assert_eq!(objection(&Program::new(ARM64).signed(RUNTIME, Some(xml(&both)))), None);
    assert_objection(&Program::new(ARM64).signed(RUNTIME, None), ALLOW_ENVIRONMENT);
    assert_objection(&Program::new(ARM64).signed(RUNTIME, Some(xml(&both[..1]))), ALLOW_LIBRARIES);
    assert_objection(&Program::new(ARM64).signed(RUNTIME, Some(xml(&both[1..]))), ALLOW_ENVIRONMENT);
    let refused = [(ALLOW_ENVIRONMENT, "false"), (ALLOW_LIBRARIES, "true")];
    assert_objection(&Program::new(ARM64).signed(RUNTIME, Some(xml(&refused))), ALLOW_ENVIRONMENT);
}

#[test]
fn entitlements_in_der_count() {
    assert_objection(&Program::new(ARM64).signed(RUNTIME, Some(der(ALLOW_ENVIRONMENT))), ALLOW_LIBRARIES);
}

#[test]
fn library_validation_without_the_hardened_runtime_counts() {
    assert_objection(&Program::new(ARM64).signed(REQUIRE_LV, None), ALLOW_LIBRARIES);
}

#[test]
fn restricted_programs_are_refused() {
    assert_objection(&Program::new(ARM64).signed(RESTRICT, None), ALLOW_ENVIRONMENT);
    let mut program = Program::new(ARM64);
    let mut segment = le(&[0x19, 72]);
    segment.extend(b"__RESTRICT\0\0\0\0\0\0");
    segment.resize(72, 0);
    program.commands.push(segment);
    assert_objection(&program, "__RESTRICT");
}

#[test]
fn a_program_for_arm64e_is_refused() {
    assert_objection(&Program::new(ARM64E), "arm64e");
}

#[test]
fn a_program_for_another_processor_is_refused() {
    assert!(image(&Program::new(ARM64).bytes(), Cpu::X86_64).objection().is_some_and(|text| text.contains("arm64")));
    let mut thirty_two_bit = Program::new(I386).bytes();
    thirty_two_bit[..4].copy_from_slice(&0xfeed_face_u32.to_le_bytes());
    assert!(image(&thirty_two_bit, Cpu::X86_64).objection().is_some());
}

#[test]
fn what_is_no_program_is_refused() {
    assert_objection(&Program { filetype: 6, ..Program::new(ARM64) }, "can't be executed");
    assert_objection(&Program { commands: Vec::new(), ..Program::new(ARM64) }, "statically linked");
}

#[test]
fn of_a_universal_program_the_slice_counts_that_will_run() {
    let hardened = Program::new(ARM64).signed(RUNTIME, None);
    let file = universal(&[Program::new(X86_64), hardened]);
    assert!(image(&file, Cpu::Arm64).objection().is_some());
    assert_eq!(image(&file, Cpu::X86_64).objection(), None);
    let file = universal(&[Program::new(ARM64E), Program::new(ARM64)]);
    assert_eq!(image(&file, Cpu::Arm64).objection(), None);
}

#[test]
fn a_universal_program_may_have_long_offsets() {
    let hardened = Program::new(ARM64).signed(RUNTIME, None);
    let mut file = be(&[0xcafe_babf, 2]);
    for (program, at) in [(Program::new(X86_64), 0x4000), (hardened.clone(), 0x8000)] {
        let size = program.bytes().len() as u32;
        file.extend(be(&[program.cpu.0, program.cpu.1, 0, at, 0, size, 14, 0]));
    }
    for (program, at) in [(Program::new(X86_64), 0x4000), (hardened, 0x8000)] {
        file.resize(at, 0);
        file.extend(program.bytes());
    }
    assert!(image(&file, Cpu::Arm64).objection().is_some_and(|text| text.contains("hardened runtime")));
    assert_eq!(image(&file, Cpu::X86_64).objection(), None);
}

#[test]
fn an_x86_64_program_on_arm64_is_remarked_upon_and_needs_that_slice_of_the_library() {
    let program = image(&Program::new(X86_64).bytes(), Cpu::Arm64);
    assert_eq!(program.objection(), None);
    assert!(program.remark().is_some_and(|remark| remark.contains("Rosetta")));
    assert_eq!(program.cpu_name(), "x86_64");
    let thin = image(&Program { filetype: 6, ..Program::new(ARM64) }.bytes(), Cpu::Arm64);
    assert_eq!(thin.kind, Kind::Library);
    assert!(!thin.has_slice_for(&program));
    assert_eq!(thin.slices_in_words(), "arm64");
    let both = image(&universal(&[Program::new(X86_64), Program::new(ARM64)]), Cpu::Arm64);
    assert!(both.has_slice_for(&program));
    assert_eq!(both.slices_in_words(), "x86_64 and arm64");
}

#[test]
fn libraries_rpaths_and_symbols_are_read() {
    let mut program = Program::new(ARM64);
    program.commands.push(named(0xc, 24, "@rpath/libevent.dylib"));
    program.commands.push(named(0x8000_001c, 12, "@loader_path/../lib"));
    let table_at = 32 + program.commands.iter().map(Vec::len).sum::<usize>() as u32 + 24 + 16;
    program.commands.push(le(&[2, 24, table_at, 3, table_at + 48, 24]));
    let mut file = program.bytes();
    for (name, kind) in [(1u32, 0x01u8), (9, 0x0f), (15, 0x24)] {
        file.extend(name.to_le_bytes());
        file.extend([kind, 1, 0, 0]);
        file.extend([0; 8]);
    }
    file.extend(b"\0_socket\0_main\0_debug\0\0\0");
    let image = image(&file, Cpu::Arm64);
    assert_eq!(image.needed, ["@rpath/libevent.dylib"]);
    assert_eq!(image.rpaths, ["@loader_path/../lib"]);
    assert_eq!((image.imports, image.exports), (vec!["socket".to_owned()], vec!["main".to_owned()]));
    assert!(!self::image(&file, Cpu::Arm64).is_loader());
    assert_eq!(self::image(&file, Cpu::Arm64).interpreter, None);
}

#[test]
fn what_is_not_mach_o_is_said_to_be_none() {
    let java = be(&[0xcafe_babe, 0x34, 0, 0, 0]);
    for file in [&b"#!/bin/sh\n: not a program\n"[..], b"", b"\x7fELF", &java] {
        assert!(matches!(parse(file, Cpu::Arm64), Ok(None)));
    }
}

#[test]
fn a_damaged_file_is_an_error_and_no_panic() {
    let whole = Program::new(ARM64).signed(RUNTIME, Some(xml(&[(ALLOW_ENVIRONMENT, "true")]))).bytes();
    for length in 0..whole.len() {
        let _ = parse(&whole[..length], Cpu::Arm64);
    }
    assert!(parse(&whole[..40], Cpu::Arm64).is_err());
    // Every byte once set to all ones: no sizes or offsets may lead beyond the file.
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] = 0xff;
        let _ = parse(&damaged, Cpu::Arm64);
    }
}

/// A process's memory: pieces, and nothing between them.
struct Memory(Vec<(u64, Vec<u8>)>);

impl Memory {
    fn read(&self, address: u64, size: usize) -> Option<Vec<u8>> {
        let (start, bytes) = self.0.iter().rfind(|(start, _)| *start <= address)?;
        let at = usize::try_from(address - start).ok()?;
        bytes.get(at..at.checked_add(size)?).map(<[u8]>::to_vec)
    }

    fn exported(&self, start: u64, name: &str) -> Option<u64> {
        loaded::exported(&|address, size| self.read(address, size), start, name)
    }

    fn images(&self) -> Option<Vec<(u64, String)>> {
        let images = loaded::images(&|address, size| self.read(address, size), 0x100)?;
        Some(images.into_iter().map(|image| (image.start, image.path)).collect())
    }
}

fn longs(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// LC_SEGMENT_64: a name, where it belongs, and where it is in the file.
fn segment(name: &str, address: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut bytes = le(&[0x19, 72]);
    bytes.extend(name.as_bytes());
    bytes.resize(24, 0);
    bytes.extend(longs(&[address, size, offset, size]));
    bytes.resize(72, 0);
    bytes
}

/// Two names with a common start, one without an address of its own, and one whose address takes two bytes.
fn export_trie() -> Vec<u8> {
    let mut trie = b"\0\x01_no\0\x07".to_vec();
    trie.extend(b"\0\x02sigpipe_state\0\x28sigpipe_other\0\x2c");
    trie.resize(0x28, 0);
    // No flags, 0x1234; then a re-export.
    trie.extend([3, 0, 0xb4, 0x24]);
    trie.extend([3, 8, 1, 0, 0]);
    trie
}

const LOADED_AT: u64 = 0x1_0000_0000;

/// An image in memory that was linked for another address, with its names in a segment that lies elsewhere than in the
/// file.
fn loaded_image(flags: u32, names: Vec<u8>) -> Memory {
    let commands = [segment("__TEXT", 0x4000, 0x8000, 0), segment("__LINKEDIT", 0x2_4000, 0x1000, 0x9000), names];
    let size = commands.iter().map(Vec::len).sum::<usize>() as u32;
    let mut image = le(&[0xfeed_facf, ARM64.0, ARM64.1, 6, commands.len() as u32, size, flags, 0]);
    image.extend(commands.concat());
    Memory(vec![(LOADED_AT, image), (LOADED_AT + 0x2_0000 + 0x10, export_trie())])
}

#[test]
fn what_an_image_in_memory_exports_is_found_where_it_was_loaded() {
    let size = export_trie().len() as u32;
    let mut old_fashioned = le(&[0x8000_0022, 48]);
    old_fashioned.resize(40, 0);
    old_fashioned.extend(le(&[0x9010, size]));
    for names in [le(&[0x8000_0033, 16, 0x9010, size]), old_fashioned] {
        let memory = loaded_image(0, names.clone());
        assert_eq!(memory.exported(LOADED_AT, "nosigpipe_state"), Some(LOADED_AT + 0x1234));
        for other in ["nosigpipe_other", "nosigpipe", "nosigpipe_stat", "nosigpipe_states", "n", ""] {
            assert_eq!(memory.exported(LOADED_AT, other), None, "{other}");
        }
        assert_eq!(memory.exported(LOADED_AT + 0x1000, "nosigpipe_state"), None);
        assert_eq!(loaded::text_size(&|address, size| memory.read(address, size), LOADED_AT), Some(0x8000));
        // In dyld's cache the tables are others'.
        assert_eq!(loaded_image(0x8000_0000, names).exported(LOADED_AT, "nosigpipe_state"), None);
    }
}

#[test]
fn damaged_names_in_memory_end_the_search_without_a_panic() {
    let whole = loaded_image(0, le(&[0x8000_0033, 16, 0x9010, export_trie().len() as u32]));
    for piece in 0..2 {
        for at in 0..whole.0[piece].1.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = Memory(whole.0.clone());
                damaged.0[piece].1[at] = byte;
                let _ = damaged.exported(LOADED_AT, "nosigpipe_state");
            }
            // A number without an end.
            let mut endless = Memory(whole.0.clone());
            endless.0[piece].1.iter_mut().skip(at).take(12).for_each(|byte| *byte = 0x80);
            let _ = endless.exported(LOADED_AT, "nosigpipe_state");
            let mut short = Memory(whole.0.clone());
            short.0[piece].1.truncate(at);
            assert!(short.exported(LOADED_AT, "nosigpipe_state").is_none() || at >= 0x2c);
        }
    }
}

#[test]
fn dylds_list_is_read_with_names_at_the_end_of_what_is_mapped() {
    let list = |entries: u64| longs(&[15 | 2 << 32, entries, 0]);
    let entries = longs(&[LOADED_AT, 0x2000, 0, 0x7000, 0x4fff - 15, 0]);
    let names =
        || [(0x2000, [b"/opt/server".to_vec(), vec![0; 0x1000]].concat()), (0x4ff0, b"/usr/lib/a.dylib".to_vec())];
    let mut memory = Memory(vec![(0x100, list(0x200)), (0x200, entries)]);
    memory.0.extend(names());
    let found = memory.images().expect("there is a list");
    assert_eq!(found, [(LOADED_AT, "/opt/server".to_owned()), (0x7000, "/usr/lib/a.dylib".to_owned())]);
    // While dyld changes it there is none, and it may be gone by the time that it is read.
    memory.0[0].1 = list(0);
    assert_eq!(memory.images(), None);
    memory.0[0].1 = list(0x9000);
    assert_eq!(memory.images(), None);
    // Nothing can be read from anywhere.
    memory.0[0].1 = longs(&[15, 0, 0]);
    memory.0.insert(0, (0, Vec::new()));
    assert_eq!(memory.images(), None);
}
