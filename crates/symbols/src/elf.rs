//! ELF: the module's own file, separate debug files (by build id or .gnu_debuglink), supplementary ones
//! (.gnu_debugaltlink, as Debian's), .dwo files and packages of them (.dwp).

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use addr2line::{Context, SplitDwarfLoad};
use gimli::{Dwarf, DwarfPackage};
use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym};
use ruzstd::decoding::FrameDecoder;

use super::{DebugFiles, Name, Reader, frames, hex, is_wanted, reader, with_symbol, xz};
use crate::values::{Code, Function, Passed, Process, State, Variables};

type Elf = elf::FileHeader64<Endianness>;

/// An ELF file.
#[derive(Clone, Copy)]
pub struct File {
    data: &'static [u8],
    sections: SectionTable<'static, Elf>,
}

impl File {
    /// Reads the section table; `None` for what is no ELF file of 64 bits.
    pub fn parse(data: &'static [u8]) -> Option<Self> {
        let header = Elf::parse(data).ok()?;
        let sections = header.sections(Endianness::Little, data).ok()?;
        Some(Self { data, sections })
    }

    /// A section's content, decompressed; `None` if there is none.
    pub fn section(&self, name: &str) -> Option<&'static [u8]> {
        let Some((_, section)) = self.sections.section_by_name(Endianness::Little, name.as_bytes()) else {
            return self.zdebug_section(name);
        };
        if section.sh_type(Endianness::Little) == elf::SHT_NOBITS {
            return None;
        }
        match section.compression(Endianness::Little, self.data).ok()? {
            None => section.data(Endianness::Little, self.data).ok(),
            Some((header, offset, size)) => {
                let start = usize::try_from(offset).ok()?;
                let compressed = self.data.get(start..start.checked_add(usize::try_from(size).ok()?)?)?;
                let size = usize::try_from(header.ch_size.get(Endianness::Little)).ok()?;
                match header.ch_type.get(Endianness::Little) {
                    elf::ELFCOMPRESS_ZLIB => inflate(compressed, size),
                    elf::ELFCOMPRESS_ZSTD => unpack(compressed, size),
                    _ => None,
                }
            }
        }
    }

    /// A section as linkers compressed it before there was SHF_COMPRESSED (ld's `--compress-debug-sections=zlib-gnu`, Go up to 1.18):
    /// `.zdebug_info` for `.debug_info`, with "ZLIB" and the size as a big-endian number in front.
    fn zdebug_section(&self, name: &str) -> Option<&'static [u8]> {
        let name = format!(".zdebug_{}", name.strip_prefix(".debug_")?);
        let (_, section) = self.sections.section_by_name(Endianness::Little, name.as_bytes())?;
        let content = section.data(Endianness::Little, self.data).ok()?.strip_prefix(b"ZLIB")?;
        let (size, compressed) = content.split_first_chunk()?;
        inflate(compressed, usize::try_from(u64::from_be_bytes(*size)).ok()?)
    }

    /// The build id, behind the header of its note (16 bytes: three sizes and `GNU`).
    pub fn build_id(&self) -> Option<&'static [u8]> {
        let note = self.section(".note.gnu.build-id")?;
        note.get(16..)
    }

    /// The build id of the supplementary file, which has what several debug files have in common (`.gnu_debugaltlink`), in
    /// hexadecimal digits.
    pub fn supplementary_build_id(&self) -> Option<String> {
        let link = self.section(".gnu_debugaltlink")?;
        let end = link.iter().position(|&byte| byte == 0)?;
        link.get(end + 1..).map(hex)
    }

    fn has_debug_info(&self) -> bool {
        let names = [".debug_info", ".zdebug_info"];
        names.iter().any(|name| self.sections.section_by_name(Endianness::Little, name.as_bytes()).is_some())
    }

    fn has_symbol_table(&self) -> bool {
        self.sections.iter().any(|section| section.sh_type(Endianness::Little) == elf::SHT_SYMTAB)
    }

    /// The symbols that a stripped file has kept in compressed form (`.gnu_debugdata`).
    fn kept_symbols(&self) -> Option<Self> {
        let compressed = self.section(".gnu_debugdata")?;
        let kept = xz::unpack(compressed, is_within_limits).and_then(|content| Self::parse(content.leak()));
        if kept.is_none() {
            IS_DAMAGED.store(true, Relaxed);
        }
        kept
    }

    /// The function that an address lies in, of a symbol table.
    fn symbol(&self, table: elf::SectionType, address: u64) -> Option<Found<'static>> {
        let symbols = self.sections.symbols(Endianness::Little, self.data, table).ok()?;
        let (symbol, offset) = symbol_at(symbols.iter(), address)?;
        let name = symbols.symbol_name(Endianness::Little, symbol).ok()?;
        let is_label = symbol.st_size(Endianness::Little) == 0;
        (!name.is_empty()).then_some(Found { name, offset, is_label })
    }
}

/// A symbol that an address may belong to.
struct Found<'a> {
    name: &'a [u8],
    /// Bytes from the symbol to the address.
    offset: u64,
    /// Whether it has no size, as in assembly code. Then a symbol with a size in another table is believed rather than this one.
    is_label: bool,
}

/// The symbol of the function that an address lies in, and how many bytes behind it the address is.
fn symbol_at<'a>(
    symbols: impl Iterator<Item = &'a elf::Sym64<Endianness>>,
    address: u64,
) -> Option<(&'a elf::Sym64<Endianness>, u64)> {
    let mut best: Option<(_, (u64, bool, bool))> = None;
    for symbol in symbols {
        let kind = symbol.st_type();
        if symbol.st_shndx(Endianness::Little) == elf::SHN_UNDEF
            || !(kind == elf::STT_FUNC || kind == elf::STT_GNU_IFUNC || kind == elf::STT_NOTYPE)
        {
            continue;
        }
        let (start, size) = (symbol.st_value(Endianness::Little), symbol.st_size(Endianness::Little));
        if start > address || start == 0 || size > 0 && address - start >= size || size == 0 && kind != elf::STT_NOTYPE
        {
            continue;
        }
        // The innermost; a sized one before a label; a global name before a local alias.
        let rank = (start, size > 0, symbol.st_bind() == elf::STB_GLOBAL);
        if best.is_none_or(|(_, best)| rank > best) {
            best = Some((symbol, rank));
        }
    }
    let (symbol, (start, sized, _)) = best?;
    (sized || address - start < MAX_LABEL_DISTANCE).then_some((symbol, address - start))
}

/// How far behind a symbol without a size an address may be to count as that function's, in bytes.
const MAX_LABEL_DISTANCE: u64 = 4096;

/// Name and offset of the function that an address lies in, by a symbol table in memory and its strings.
fn exported_symbol((symbols, strings): (&'static [u8], &'static [u8]), address: u64) -> Option<(&'static [u8], u64)> {
    let whole = symbols.len() - symbols.len() % size_of::<elf::Sym64<Endianness>>();
    let symbols = object::pod::slice_from_all_bytes::<elf::Sym64<Endianness>>(symbols.get(..whole)?).ok()?;
    let (symbol, offset) = symbol_at(symbols.iter(), address)?;
    let name = strings.get(symbol.st_name(Endianness::Little) as usize..)?.split(|&byte| byte == 0).next()?;
    (!name.is_empty()).then_some((name, offset))
}

/// The debug file with this build id in one of the directories: `.build-id/AB/CDEF.debug`, as distributions name it, or
/// `ABCDEF/debuginfo`, as debuginfod's clients do.
pub fn open_debug_file(build_id: &str, debug_files: DebugFiles) -> Option<&'static [u8]> {
    let (first, rest) = build_id.split_at_checked(2)?;
    debug_files.directories.iter().find_map(|directory| {
        (debug_files.open)(&format!("{directory}/.build-id/{first}/{rest}.debug"))
            .or_else(|| (debug_files.open)(&format!("{directory}/{build_id}/debuginfo")))
    })
}

/// All that is known about one module's addresses.
pub struct Symbols {
    /// The module's file, and its debug file.
    files: Vec<File>,
    /// The table of exported symbols and its strings, as they are in memory.
    pub exported: Option<(&'static [u8], &'static [u8])>,
    lines: Option<Context<Reader>>,
    package: Option<File>,
    open: fn(&str) -> Option<&'static [u8]>,
}

impl Symbols {
    /// Looks for the symbols of the module at `path`. `image` is the content of its file where that is in memory (the vDSO). `lines`
    /// says whether to read debug information, which takes longer and can be damaged in more ways.
    pub fn find(
        path: &str,
        build_id: &str,
        image: Option<&'static [u8]>,
        debug_files: DebugFiles,
        lines: bool,
    ) -> Self {
        let same = |file: &File| build_id.is_empty() || file.build_id().is_none_or(|id| hex(id) == build_id);
        let open = |path: &str| (debug_files.open)(path).and_then(File::parse).filter(same);
        let own = image.and_then(File::parse).or_else(|| open(path)).or_else(|| {
            let fetched = |directory: &String| open(&format!("{directory}/{build_id}/executable"));
            debug_files.directories.iter().filter(|_| !build_id.is_empty()).find_map(fetched)
        });
        let mut files: Vec<File> = own.into_iter().collect();
        if !own.is_some_and(|own| own.has_debug_info()) {
            let by_id = open_debug_file(build_id, debug_files).and_then(File::parse).filter(same);
            let separate = by_id.or_else(|| {
                let link = own?.section(".gnu_debuglink")?;
                let name = core::str::from_utf8(link.split(|&byte| byte == 0).next()?).ok()?;
                let (directory, _) = path.rsplit_once('/')?;
                [format!("{directory}/{name}"), format!("{directory}/.debug/{name}")]
                    .into_iter()
                    .chain(debug_files.directories.iter().map(|debug| format!("{debug}{directory}/{name}")))
                    .find_map(|path| open(&path))
            });
            files.extend(separate);
        }
        if lines
            && let Some(own) = own
            && !files.iter().any(File::has_symbol_table)
        {
            files.extend(own.kept_symbols());
        }
        let lines = if lines {
            files.iter().find(|file| file.has_debug_info()).and_then(|file| context(file, path, debug_files))
        } else {
            None
        };
        let package = lines.as_ref().and_then(|_| (debug_files.open)(&format!("{path}.dwp"))).and_then(File::parse);
        Self { files, exported: None, lines, package, open: debug_files.open }
    }

    /// Whether there is debug information.
    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// A section of the module's files.
    pub fn section(&self, name: &str) -> Option<&'static [u8]> {
        self.files.iter().find_map(|file| file.section(name))
    }

    /// A section of the module's own file with the address that the file has for it.
    pub fn section_with_address(&self, name: &str) -> Option<(u64, &'static [u8])> {
        let file = self.files.first()?;
        let (_, section) = file.sections.section_by_name(Endianness::Little, name.as_bytes())?;
        Some((section.sh_addr(Endianness::Little), file.section(name)?))
    }

    /// The address, as the module's file counts, of a symbol that it exports.
    pub fn object(&self, name: &str) -> Option<u64> {
        let file = self.files.first()?;
        let symbols = file.sections.symbols(Endianness::Little, file.data, elf::SHT_DYNSYM).ok()?;
        let is = |symbol: &&elf::Sym64<Endianness>| {
            symbols.symbol_name(Endianness::Little, symbol).is_ok_and(|found| found == name.as_bytes())
        };
        symbols.iter().find(is).map(|symbol| symbol.st_value(Endianness::Little))
    }

    /// The functions that an address of the file lies in: first what is inlined there, last the one that has code of its own.
    pub fn names(&self, address: u64) -> Vec<Name> {
        let tables =
            self.files.iter().rev().flat_map(|file| [elf::SHT_SYMTAB, elf::SHT_DYNSYM].map(|table| (file, table)));
        let mut label = None;
        let function = tables.filter_map(|(file, table)| file.symbol(table, address)).find_map(|found| {
            if found.is_label {
                label.get_or_insert(found);
                return None;
            }
            Some(found)
        });
        let symbol = function
            .or(label)
            .map(|found| (found.name, found.offset))
            .or_else(|| exported_symbol(self.exported?, address));
        let names = self.lines.as_ref().and_then(|lines| frames(lines, address, |load| self.split(load)));
        with_symbol(names.unwrap_or_default(), symbol)
    }

    /// The function that an address is in, if debug information knows it.
    pub fn function(&self, address: u64, process: &mut dyn Process) -> Option<Function> {
        self.code(address)?.function(process)
    }

    /// Arguments and variables of the functions that [`names`](Self::names) has for this frame.
    pub fn variables(&self, function: &Function, state: &State, process: &mut dyn Process) -> Vec<Variables> {
        self.code(state.lookup).map(|code| code.variables(function, state, process)).unwrap_or_default()
    }

    /// What `function` has passed when it called `callee`, as its debug information tells (DW_TAG_call_site_parameter). The call
    /// returns to `return_address`, by the file's addresses. Beside the callee is the bias of its module.
    pub fn entry_values(
        &self,
        function: &Function,
        return_address: u64,
        callee: (&Function, u64),
        state: &State,
        process: &mut dyn Process,
    ) -> Vec<(Passed, u64)> {
        let code = self.code(state.lookup);
        code.map(|code| code.entry_values(function, return_address, callee, state, process)).unwrap_or_default()
    }

    fn code(&self, address: u64) -> Option<Code<'_>> {
        Code::new(self.lines.as_ref()?, address, |load| self.split(load))
    }

    /// The part of the debug information that is in a .dwo file, or in the .dwp file that has those of the whole module.
    fn split(&self, load: &SplitDwarfLoad<Reader>) -> Option<Dwarf<Reader>> {
        if let Some(package) = self.package {
            let section = |id: gimli::SectionId| id.dwo_name().and_then(|name| package.section(name));
            let package = DwarfPackage::load(|id| Ok::<_, gimli::Error>(reader(section(id))), reader(None)).ok()?;
            if let Ok(Some(split)) = package.find_cu(load.dwo_id, &load.parent) {
                return Some(split);
            }
        }
        let path = |part: Option<Reader>| part.and_then(|part| core::str::from_utf8(part.slice()).ok());
        let name = path(load.path).unwrap_or_default();
        let name = match path(load.comp_dir) {
            Some(directory) if !name.starts_with('/') => format!("{directory}/{name}"),
            _ => name.to_owned(),
        };
        let file = (self.open)(&name).and_then(File::parse)?;
        let section = |id: gimli::SectionId| id.dwo_name().and_then(|name| file.section(name));
        let mut split = Dwarf::load(|id| Ok::<_, gimli::Error>(reader(section(id)))).ok()?;
        split.make_dwo(&load.parent);
        Some(split)
    }
}

/// The debug information of a file, which is the one at `path` or belongs to it.
fn context(file: &File, path: &str, debug_files: DebugFiles) -> Option<Context<Reader>> {
    let load = |file: File| {
        move |id: gimli::SectionId| {
            Ok::<_, gimli::Error>(reader(
                is_wanted(id, debug_files.variables).then(|| file.section(id.name())).flatten(),
            ))
        }
    };
    let mut dwarf = Dwarf::load(load(*file)).ok()?;
    if let Some(link) = file.section(".gnu_debugaltlink")
        && let Some(end) = link.iter().position(|&byte| byte == 0)
        && let (Some(name), Some(id)) = (link.get(..end), link.get(end + 1..))
    {
        let id = hex(id);
        let name = String::from_utf8_lossy(name);
        let is_it = |file: &File| file.build_id().is_none_or(|other| hex(other) == id);
        let by_name = || {
            // A relative name begins where the debug file is, which is beside the module or in one of the directories.
            let (beside, _) = path.rsplit_once('/')?;
            let below = name.trim_start_matches("../");
            let relative = [format!("{beside}/{name}")]
                .into_iter()
                .chain(debug_files.directories.iter().map(|directory| format!("{directory}/{below}")));
            let absolute = name.starts_with('/').then(|| name.clone().into_owned());
            absolute.into_iter().chain(relative).find_map(|path| (debug_files.open)(&path))
        };
        let other = open_debug_file(&id, debug_files).or_else(by_name);
        if let Some(other) = other.and_then(File::parse).filter(is_it) {
            dwarf.load_sup(load(other)).ok()?;
        }
    }
    Context::from_dwarf(dwarf).ok()
}

/// Memory for a section that is unpacked, unless all sections together become too large: a damaged file may claim any size.
fn room_for(size: usize) -> Option<Vec<u8>> {
    is_within_limits(size).then(|| vec![0; size])
}

/// Counts so many bytes more; false if they are too many, which [`not_read`] then tells.
fn is_within_limits(size: usize) -> bool {
    let before = UNPACKED.fetch_add(size, Relaxed);
    let is_too_much = before.saturating_add(size) > MAX_UNPACKED;
    if is_too_much {
        UNPACKED.store(before, Relaxed);
        IS_TOO_LARGE.store(true, Relaxed);
    }
    !is_too_much
}

/// Bytes that compressed sections may be unpacked to, all together.
const MAX_UNPACKED: usize = 512 << 20;
static UNPACKED: AtomicUsize = AtomicUsize::new(0);
static IS_TOO_LARGE: AtomicBool = AtomicBool::new(false);
static IS_DAMAGED: AtomicBool = AtomicBool::new(false);

/// Forgets how much was decompressed and what was not read, where a process reads files for one report after another.
pub fn start_anew() {
    UNPACKED.store(0, Relaxed);
    IS_TOO_LARGE.store(false, Relaxed);
    IS_DAMAGED.store(false, Relaxed);
}

/// Why some of the modules' debug information was not read, as a report says it; empty if all was.
pub fn not_read() -> &'static str {
    if IS_TOO_LARGE.load(Relaxed) {
        "some debug information was not read: it takes more than 512 MiB"
    } else if IS_DAMAGED.load(Relaxed) {
        "names that a stripped file has kept (.gnu_debugdata) could not be read: they are damaged, or take more than 64 MiB"
    } else {
        ""
    }
}

/// Decompresses what zstd has compressed, into memory that stays.
fn unpack(compressed: &[u8], size: usize) -> Option<&'static [u8]> {
    let mut content = room_for(size)?;
    let written = FrameDecoder::new().decode_all(compressed, &mut content).ok()?;
    (written == size).then(|| &*content.leak())
}

/// Decompresses what zlib has compressed, into memory that stays.
fn inflate(compressed: &[u8], size: usize) -> Option<&'static [u8]> {
    use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
    let mut content = room_for(size)?;
    let mut state = Box::<DecompressorOxide>::default();
    let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (_, _, written) = decompress(&mut state, compressed, &mut content, 0, flags);
    (written == size).then(|| &*content.leak())
}
