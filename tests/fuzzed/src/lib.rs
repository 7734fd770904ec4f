//! Everything that reads damaged memory or files, as functions of bytes that may be anything. `fuzz/` has each as a target of
//! cargo-fuzz, and `tests/short.rs` here calls each with what is in `fuzz/corpus`, and with some damage done to that.

use gimli::{Register, RegisterRule, UnwindContextStorage, UnwindTableRow};
use processor::{FRAME_POINTER, PROGRAM_COUNTER, Registers, STACK_POINTER};
use symbols::{DebugFiles, demangle, elf, macho};
use unwind::{Clock, Image, ReadMemory, Unwinder};

/// A target: its name, and what is called with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("maps", maps),
    ("headers", headers),
    ("elf_file", elf_file),
    ("macho_file", macho_file),
    ("stack", stack),
    ("python_stack", python_stack),
    ("function_name", function_name),
    ("setting", setting),
];

/// Lines of /proc/PID/maps.
pub fn maps(data: &[u8]) {
    for line in String::from_utf8_lossy(data).lines() {
        if let Some(line) = unwind::maps::line(line) {
            assert!(line.path.len() <= data.len() * 3);
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

/// Gives a function bytes that are there for as long as it runs, and says that they stay for ever, as a mapped file does.
fn mapped(data: &[u8], read: impl FnOnce(&'static [u8])) {
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
        for address in (0x200..0x300).step_by(8) {
            let _ = symbols.names(address);
        }
        let _ = (symbols.object("main"), symbols.section(".debug_frame"));
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
