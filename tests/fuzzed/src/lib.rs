//! Everything that reads damaged memory or files, as functions of bytes that may be anything. `fuzz/` has each as a target of
//! cargo-fuzz, and `tests/short.rs` here calls each with what is in `fuzz/corpus`, and with some damage done to that.

mod launcher;
mod values;

use std::cell::Cell;

use gimli::{Register, RegisterRule, UnwindContextStorage, UnwindTableRow};
use processor::{FRAME_POINTER, PROGRAM_COUNTER, Registers, STACK_POINTER};
use symbols::{DebugFiles, demangle, elf, macho};
use unwind::{Clock, Image, ReadMemory, Unwinder};

/// A target: its name, and what is called with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 19] = [
    ("maps", maps),
    ("headers", headers),
    ("exported_names", exported_names),
    ("elf_file", elf_file),
    ("section", section),
    ("debug_files", debug_files),
    ("variables", variables),
    ("macho_file", macho_file),
    ("stack", stack),
    ("python_stack", python_stack),
    ("python_lines", python_lines),
    ("function_name", function_name),
    ("setting", setting),
    ("recorded_report", recorded_report),
    ("elf_program", elf_program),
    ("macho_program", macho_program),
    ("macho_process", macho_process),
    ("loader_cache", loader_cache),
    ("other_process", other_process),
];

pub use launcher::{elf_program, loader_cache, macho_process, macho_program, other_process};
use launcher::{exit, platform};
pub use values::variables;

/// Lines of /proc/PID/maps.
pub fn maps(data: &[u8]) {
    for line in data.split(|&byte| byte == b'\n') {
        if let Some(line) = formats::maps::line(line) {
            let _ = formats::maps::with_line_ends(line.path).map(Iterator::count);
            assert!(line.path.len() <= data.len());
        }
    }
}

/// A process's memory, which begins at an address; there is nothing else.
struct Memory<'a>(&'a [u8]);

/// Where it begins.
const BASE: u64 = 0x10_0000;

impl Memory<'_> {
    fn at(&self, address: u64) -> &[u8] {
        let offset = address.checked_sub(BASE).and_then(|offset| usize::try_from(offset).ok());
        offset.and_then(|offset| self.0.get(offset..)).unwrap_or_default()
    }
}

impl ReadMemory for Memory<'_> {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let found = self.at(address);
        buffer.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        buffer.len().min(found.len())
    }
}

/// ELF and program headers in memory.
pub fn headers(data: &[u8]) {
    let mut memory = Memory(data);
    let _ = unwind::elf::loaded_at(&mut memory, BASE, |address| address % 2 == 0);
    if let Some(segments) = unwind::elf::segments(&mut memory, BASE) {
        let _ = unwind::elf::extent(&segments, BASE);
    }
}

/// A dynamic section in memory, whose place the first two bytes say, and the hash tables and symbols that it leads to.
pub fn exported_names(data: &[u8]) {
    let Some((&place, rest)) = data.split_first_chunk::<2>() else { return };
    let mut memory = Memory(rest);
    let dynamic = BASE + u64::from(u16::from_le_bytes(place));
    if let Some(exports) = unwind::exports(&mut memory, BASE, dynamic, 1024) {
        for name in ["f", "main", "_Py_Version"] {
            let _ = exports.address(&mut memory, name.as_bytes());
        }
    }
}

/// Gives a function bytes that are there for as long as it runs, and says that they stay for ever, as a mapped file does.
fn mapped(data: &[u8], read: impl FnOnce(&'static [u8])) {
    elf::start_anew();
    let bytes = Box::into_raw(data.to_vec().into_boxed_slice());
    // SAFETY: they are there until they are freed below.
    read(unsafe { &*bytes });
    // SAFETY: nothing of what was read is left.
    drop(unsafe { Box::from_raw(bytes) });
}

const NO_DEBUG_FILES: DebugFiles<'static> = DebugFiles { directories: &[], open: |_| None, variables: true };

/// An ELF file with symbols and debug information.
pub fn elf_file(data: &[u8]) {
    mapped(data, |bytes| {
        if let Some(file) = elf::File::parse(bytes) {
            let _ = (file.build_id(), file.section(".debug_info"), file.section(".gnu_debuglink"));
        }
        let symbols = elf::Symbols::find("/nowhere", "", Some(bytes), NO_DEBUG_FILES, true);
        for address in (0x180..0x280).step_by(8) {
            let _ = symbols.names(address);
        }
        let _ = (symbols.object("main"), symbols.section(".debug_frame"));
    });
}

/// A compressed section: the first byte says how (zlib, zstd, xz), the next four how large it is to be.
pub fn section(data: &[u8]) {
    let Some((&[kind, a, b, c, d], content)) = data.split_first_chunk::<5>() else { return };
    /// Sizes above this are refused by the same line.
    const MOST: u64 = 1 << 22;
    let size = u64::from(u32::from_le_bytes([a, b, c, d])) % MOST;
    let file = file_with_section(kind, size, content);
    mapped(&file, |bytes| {
        let Some(file) = elf::File::parse(bytes) else { return };
        let _ = file.section(".debug_str");
        let symbols = elf::Symbols::find("/nowhere", "", Some(bytes), NO_DEBUG_FILES, true);
        let _ = symbols.names(0x1000);
    });
}

/// An ELF file with one section, and the section with the names.
fn file_with_section(kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.debug_str\0.gnu_debugdata\0";
    let numbers = |file: &mut Vec<u8>, numbers: &[u64]| numbers.iter().for_each(|n| file.extend(n.to_le_bytes()));
    let is_xz = kind % 3 == 2;
    let mut packed = Vec::new();
    if !is_xz {
        // ch_type, ch_size and ch_addralign of elf.h
        numbers(&mut packed, &[u64::from(kind % 3) + 1, size, 1]);
    }
    packed.extend(content);
    let table = (64 + packed.len() + NAMES.len()).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    numbers(&mut file, &[0x0001_003e_0003, 0, 0, table as u64]);
    // e_flags, e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
    file.extend(&packed);
    file.extend(NAMES);
    file.resize(table + 64, 0);
    // sh_name and sh_type, sh_flags (SHF_COMPRESSED), sh_addr, sh_offset, sh_size
    let (name, flags) = if is_xz { (12, 0) } else { (1, 0x800) };
    numbers(&mut file, &[1 << 32 | name, flags, 0, 64, packed.len() as u64, 0, 1, 0]);
    numbers(&mut file, &[3 << 32, 0, 0, (64 + packed.len()) as u64, NAMES.len() as u64, 0, 1, 0]);
    file
}

/// Two files, of which the first four bytes say how long the first is: a program, and whatever it asks for by a file's name, such as a
/// .dwo, a .dwp, the file that .gnu_debuglink or .gnu_debugaltlink names.
pub fn debug_files(data: &[u8]) {
    thread_local!(static OTHER: Cell<&'static [u8]> = const { Cell::new(&[]) });
    let Some((&length, rest)) = data.split_first_chunk::<4>() else { return };
    let Some((program, other)) = rest.split_at_checked(u32::from_le_bytes(length) as usize) else { return };
    mapped(other, |other| {
        OTHER.set(other);
        mapped(program, |program| {
            let directories = ["/debug".to_owned()];
            let open = |_: &str| Some(OTHER.get()).filter(|other| !other.is_empty());
            let debug_files = DebugFiles { directories: &directories, open, variables: true };
            let symbols = elf::Symbols::find("/program", "0123456789", Some(program), debug_files, true);
            for address in (0x180..0x280).step_by(8) {
                let _ = symbols.names(address);
            }
            values::read_variables(&symbols);
        });
        OTHER.set(&[]);
    });
}

/// A Mach-O file.
pub fn macho_file(data: &[u8]) {
    mapped(data, |bytes| {
        if let Some(file) = macho::File::parse(macho::Data::File(bytes)) {
            let _ = (file.uuid(), file.section(b"__text"), file.function_start(0x100), file.segment(b"__TEXT"));
            if let Some(functions) = file.functions() {
                let _ = functions.symbol(0x104);
            }
        }
        let symbols = macho::Symbols::find("/nowhere", "", Some(macho::Data::File(bytes)), NO_DEBUG_FILES, true);
        let _ = symbols.names(0x104);
    });
}

/// Room for rows of call frame information.
struct Room;

impl UnwindContextStorage<usize> for Room {
    type Rules = [(Register, RegisterRule<usize>); 192];
    type Stack = [UnwindTableRow<usize, Self>; 4];
}

/// One module, of which all bytes are mapped.
struct Mapped {
    bytes: &'static [u8],
    /// Offset of its table of call frame information.
    table: usize,
    is_debug_frame: bool,
}

impl Image for Mapped {
    fn is_code(&self, address: u64) -> bool {
        self.from(address).is_some()
    }

    fn module(&self, address: u64) -> Option<usize> {
        self.is_code(address).then_some(0)
    }

    fn unwind_table(&self, _module: usize) -> Option<(u64, &'static [u8])> {
        let table = self.bytes.get(self.table..).filter(|_| !self.is_debug_frame)?;
        Some((BASE + self.table as u64, table))
    }

    fn from(&self, address: u64) -> Option<&'static [u8]> {
        let offset = usize::try_from(address.checked_sub(BASE)?).ok()?;
        self.bytes.get(offset..).filter(|rest| !rest.is_empty())
    }

    fn debug_frame(&self, _module: usize) -> Option<(&'static [u8], u64)> {
        Some((self.bytes.get(self.table..)?, BASE))
    }
}

/// A stack: the first bytes say where in the rest the program counter, the stack, the frame and the call frame information are.
pub fn stack(data: &[u8]) {
    let Some((numbers, rest)) = data.split_first_chunk::<9>() else { return };
    let offset = |index: usize| {
        let pair = numbers.get(index * 2..index * 2 + 2).and_then(|pair| pair.try_into().ok());
        u64::from(pair.map_or(0, u16::from_le_bytes))
    };
    mapped(rest, |bytes| {
        let mut registers = Registers::NONE;
        for (number, index) in [(PROGRAM_COUNTER, 0), (STACK_POINTER, 1), (FRAME_POINTER, 2)] {
            if let Some(register) = registers.general.get_mut(number) {
                *register = BASE + offset(index);
            }
        }
        let image = Mapped { bytes, table: offset(3) as usize, is_debug_frame: numbers.last() == Some(&1) };
        let clock = Clock { now: || 0, deadline: 1 };
        let stack = Unwinder::<_, Room>::new(image, clock).stack(&mut Memory(bytes), &registers);
        assert!(!stack.frames.is_empty());
    });
}

/// A Python runtime: the first bytes say which version's, and whether it is to be found by its name.
pub fn python_stack(data: &[u8]) {
    let Some((&[minor, at], rest)) = data.split_first_chunk::<2>() else { return };
    let mut memory = Memory(rest);
    let _ = python::Runtime::find(&mut memory, BASE, BASE + u64::from(at) * 8, 512);
    let version = 0x0300_0000 | u64::from(minor % 8 + 8) << 16;
    let Ok(runtime) = python::Runtime::at(&mut memory, BASE, version) else { return };
    let Ok(threads) = runtime.threads(&mut memory) else { return };
    for thread in threads.threads.iter().take(4) {
        let _ = runtime.stack(&mut memory, thread);
    }
}

/// A table of line numbers of Python's: the first bytes say of which version, the first line, and where the instruction is.
pub fn python_lines(data: &[u8]) {
    let Some((&[kind, line, a, b], table)) = data.split_first_chunk::<4>() else { return };
    let (first, offset) = (i64::from(line), i64::from(i16::from_le_bytes([a, b])));
    let table = table.iter().copied();
    let _ = match kind % 3 {
        0 => python::numbers_3_8(table, first, offset),
        1 => python::numbers_3_10(table, first, offset),
        _ => python::locations(table, first, offset),
    };
}

/// A report as JSON, with whatever else a log has.
pub fn recorded_report(data: &[u8]) {
    let Ok(report) = report::read::parse(&String::from_utf8_lossy(data)) else { return };
    let text = report::text::whole(&report);
    assert!(text.ends_with('\n'));
    let _ = report::source::colour(&text);
    // What is written of it is read as the same.
    let json = report::json::whole(&report);
    let again = report::read::parse(&json).map(|report| report::json::whole(&report));
    assert_eq!(again.as_ref(), Ok(&json));
    let _ = report::fingerprint::of(&report);
}

/// A symbol's name.
pub fn function_name(data: &[u8]) {
    let _ = demangle(data);
}

/// A setting: its number in the table, and the value.
pub fn setting(data: &[u8]) {
    use settings::options::{Options, SETTINGS};

    let Some((&number, value)) = data.split_first() else { return };
    let Some(setting) = SETTINGS.get(usize::from(number) % SETTINGS.len()) else { return };
    mapped(value, |value| {
        let mut options = Options::DEFAULT;
        let _ = options.set(setting, value);
        let _ = (options.acts_in(b"server"), options.is_on_stderr());
    });
}
