//! Mach-O: the image's symbol table, in memory or in its file; lines from its dSYM, or from the object files that its
//! debug map names.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Range;

use addr2line::Context;
use gimli::Dwarf;
use object::Endianness;
use object::macho::{
    FatArch32, FatArch64, MachHeader64, Nlist64, S_ATTR_PURE_INSTRUCTIONS, S_ATTR_SOME_INSTRUCTIONS, SegmentCommand64,
};
use object::read::archive::ArchiveFile;
use object::read::macho::{FatArch, LoadCommandData, MachHeader, MachOFatFile, Nlist, Section, Segment, SymbolTable};
use object::read::{ObjectMap, ReadRef};

use super::{DebugFiles, Name, Reader, frames, hex, is_wanted, reader, with_symbol};

type Header = MachHeader64<Endianness>;
const ENDIAN: Endianness = Endianness::Little;

/// Bytes of an image by their offset in its file.
#[derive(Clone, Copy)]
pub enum Data {
    /// The file, or the slice of a fat file that is for one processor.
    File(&'static [u8]),
    /// An image that dyld has loaded, of which only these two parts are read. Images of dyld's shared cache have no file.
    Loaded {
        /// The Mach-O header and its load commands.
        header: &'static [u8],
        /// The __LINKEDIT segment.
        linkedit: &'static [u8],
        /// Where that segment is in the file.
        offset: u64,
    },
}

impl Data {
    fn at(self, offset: u64) -> Option<(&'static [u8], u64)> {
        match self {
            Self::File(bytes) => Some((bytes, offset)),
            Self::Loaded { header, .. } if offset < header.len() as u64 => Some((header, offset)),
            Self::Loaded { linkedit, offset: start, .. } => Some((linkedit, offset.checked_sub(start)?)),
        }
    }
}

impl ReadRef<'static> for Data {
    fn len(self) -> Result<u64, ()> {
        match self {
            Self::File(bytes) => Ok(bytes.len() as u64),
            Self::Loaded { linkedit, offset, .. } => Ok(offset.saturating_add(linkedit.len() as u64)),
        }
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'static [u8], ()> {
        let (bytes, offset) = self.at(offset).ok_or(())?;
        bytes.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'static [u8], ()> {
        let (bytes, start) = self.at(range.start).ok_or(())?;
        let end = start.saturating_add(range.end.saturating_sub(range.start)).min(bytes.len() as u64);
        bytes.read_bytes_at_until(start..end, delimiter)
    }
}

/// A segment.
pub struct SegmentRange {
    /// Its address, as the file counts (`vmaddr`).
    pub address: u64,
    /// Its size in memory, in bytes (`vmsize`).
    pub size: u64,
    /// Its offset in the file (`fileoff`).
    pub offset: u64,
}

/// An image, its dSYM, or an object file that it was linked from.
#[derive(Clone, Copy)]
pub struct File {
    data: Data,
    header: &'static Header,
}

impl SegmentRange {
    fn of(segment: &SegmentCommand64<Endianness>) -> Self {
        Self { address: segment.vmaddr(ENDIAN), size: segment.vmsize(ENDIAN), offset: segment.fileoff(ENDIAN) }
    }
}

impl File {
    /// Reads the header of a file for one processor; `None` for what is no 64-bit Mach-O of little-endian byte order.
    pub fn parse(data: Data) -> Option<Self> {
        let header = Header::parse(data, 0).ok()?;
        matches!(header.endian(), Ok(Endianness::Little)).then_some(Self { data, header })
    }

    /// The slice of a file, which may be a fat one, that has this UUID in hexadecimal digits; the first one if that is empty.
    fn with_uuid(bytes: &'static [u8], uuid: &str) -> Option<Self> {
        fn slices<A: FatArch>(bytes: &'static [u8]) -> Option<Vec<&'static [u8]>> {
            let file = MachOFatFile::<A>::parse(bytes).ok()?;
            let slice = |arch: &A| {
                let start = usize::try_from(arch.offset().into()).ok()?;
                bytes.get(start..start.checked_add(usize::try_from(arch.size().into()).ok()?)?)
            };
            Some(file.arches().iter().filter_map(slice).collect())
        }
        let parts = slices::<FatArch32>(bytes).or_else(|| slices::<FatArch64>(bytes)).unwrap_or_else(|| vec![bytes]);
        let fits = |file: &Self| uuid.is_empty() || file.uuid().is_some_and(|found| hex(&found) == uuid);
        parts.into_iter().filter_map(|part| Self::parse(Data::File(part))).find(fits)
    }

    fn commands(&self) -> impl Iterator<Item = LoadCommandData<'static, Endianness>> + use<> {
        let commands = self.header.load_commands(ENDIAN, self.data, 0);
        commands.into_iter().flatten().map_while(Result::ok)
    }

    fn segment_commands(&self) -> impl Iterator<Item = (&'static SegmentCommand64<Endianness>, &'static [u8])> + use<> {
        self.commands().filter_map(|command| command.segment_64().ok()?)
    }

    /// Its segments.
    pub fn segments(&self) -> impl Iterator<Item = SegmentRange> + use<> {
        self.segment_commands().map(|(segment, _)| SegmentRange::of(segment))
    }

    /// The segment of this name.
    pub fn segment(&self, name: &[u8]) -> Option<SegmentRange> {
        self.segment_commands()
            .find(|(segment, _)| segment.name() == name)
            .map(|(segment, _)| SegmentRange::of(segment))
    }

    /// The addresses, as the file counts, of the first section of this name in any segment.
    pub fn section(&self, name: &[u8]) -> Option<Range<u64>> {
        self.segment_commands().find_map(|(segment, sections)| {
            let section = segment.sections(ENDIAN, sections).ok()?.iter().find(|section| section.name() == name)?;
            let start = section.addr(ENDIAN);
            Some(start..start.checked_add(section.size(ENDIAN))?)
        })
    }

    /// LC_UUID
    pub fn uuid(&self) -> Option<[u8; 16]> {
        self.commands().find_map(|command| command.uuid().ok()?.map(|uuid| uuid.uuid))
    }

    /// A DWARF section, by its name in ELF: in Mach-O it begins with two underscores and is cut to 16 characters.
    fn dwarf_section(&self, name: &str) -> Option<&'static [u8]> {
        let wanted = format!("__{}", name.trim_start_matches('.'));
        let wanted = wanted.get(..16).unwrap_or(&wanted);
        self.segment_commands().find_map(|(segment, sections)| {
            let sections = segment.sections(ENDIAN, sections).ok()?;
            let section = sections
                .iter()
                .find(|section| section.segment_name() == b"__DWARF" && section.name() == wanted.as_bytes())?;
            section.data(ENDIAN, self.data, section.offset(ENDIAN).into()).ok()
        })
    }

    fn table(&self) -> Option<SymbolTable<'static, Header, Data>> {
        self.commands().find_map(|command| command.symtab().ok()?)?.symbols(ENDIAN, self.data).ok()
    }

    /// Numbers of the sections with code, as symbols have them (`n_sect`): all segments' sections are counted from 1.
    fn sections_with_code(&self) -> Vec<u8> {
        let sections =
            self.segment_commands().filter_map(|(segment, sections)| segment.sections(ENDIAN, sections).ok());
        let has_code = |flags: u32| flags & (S_ATTR_PURE_INSTRUCTIONS | S_ATTR_SOME_INSTRUCTIONS).0 != 0;
        (1..).zip(sections.flatten()).filter(|(_, section)| has_code(section.flags(ENDIAN).0)).map(|(n, _)| n).collect()
    }

    /// Addresses of all functions (LC_FUNCTION_STARTS, which strip(1) keeps), in ascending order.
    fn function_starts(&self) -> Option<impl Iterator<Item = u64> + use<>> {
        let text = self.segment(b"__TEXT")?.address;
        let starts = self.commands().find_map(|command| {
            let command: &object::macho::LinkeditDataCommand<Endianness> =
                (command.cmd() == object::macho::LC_FUNCTION_STARTS).then(|| command.data().ok())??;
            command.function_starts(ENDIAN, self.data, text).ok()
        })?;
        Some(starts.map_while(Result::ok))
    }

    /// The first address of the function that an address lies in.
    pub fn function_start(&self, address: u64) -> Option<u64> {
        self.function_starts()?.take_while(|&start| start <= address).last()
    }

    /// The functions that it has names for.
    pub fn functions(&self) -> Option<Functions> {
        let table = self.table()?;
        let with_code = self.sections_with_code();
        let is_function =
            |symbol: &&'static Nlist64<Endianness>| symbol.is_definition() && with_code.contains(&symbol.n_sect());
        let mut sorted: Vec<_> = table.iter().filter(is_function).collect();
        // The sort is stable: of several names for one address, the last one in the table is found.
        sorted.sort_by_key(|symbol| symbol.n_value(ENDIAN));
        let starts = self.function_starts().into_iter().flatten().collect();
        Some(Functions { table, sorted, starts })
    }

    fn context(&self) -> Option<Context<Reader>> {
        let section = |id: gimli::SectionId| is_wanted(id, false).then(|| self.dwarf_section(id.name())).flatten();
        self.dwarf_section(".debug_info")?;
        let dwarf = Dwarf::load(|id| Ok::<_, gimli::Error>(reader(section(id)))).ok()?;
        Context::from_dwarf(dwarf).ok()
    }
}

/// The functions of one image in ascending order: a report asks for thousands of addresses, and an image may have hundreds
/// of thousands of symbols.
pub struct Functions {
    table: SymbolTable<'static, Header, Data>,
    sorted: Vec<&'static Nlist64<Endianness>>,
    starts: Vec<u64>,
}

impl Functions {
    /// The function that an address lies in, and how far into it.
    pub fn symbol(&self, address: u64) -> Option<(&'static [u8], u64)> {
        let best =
            self.sorted.get(..self.sorted.partition_point(|symbol| symbol.n_value(ENDIAN) <= address))?.last()?;
        let start = best.n_value(ENDIAN);
        // A function without a symbol begins between the two: the symbol is another function's.
        let function = self.starts.get(..self.starts.partition_point(|&start| start <= address))?.last();
        if function.is_some_and(|&function| function > start) {
            return None;
        }
        let name = self.table.symbol_name(ENDIAN, best).ok()?;
        // dyld's shared cache has this in place of the names of private functions.
        let is_name = !name.is_empty() && name != b"<redacted>";
        is_name.then(|| (plain(name), address - start))
    }
}

/// A symbol's name without the underscore that Mach-O puts before C names.
fn plain(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"_").unwrap_or(name)
}

/// Where an image's debug information is.
enum Lines {
    Nowhere,
    /// In a dSYM, by the image's addresses.
    Dsym(Box<Context<Reader>>),
    /// In the object files that the image was linked from, by the paths that its debug map has (N_OSO). Those that have been asked
    /// are kept open, by their index in the map.
    Objects {
        map: ObjectMap<'static>,
        opened: RefCell<BTreeMap<usize, Option<ObjectFile>>>,
    },
}

/// An object file with debug information.
struct ObjectFile {
    lines: Context<Reader>,
    table: SymbolTable<'static, Header, Data>,
}

/// All that is known about one image's addresses.
pub struct Symbols {
    functions: Option<Functions>,
    lines: Lines,
    open: fn(&str) -> Option<&'static [u8]>,
}

impl Symbols {
    /// Looks for an image's symbols. `image` is the image in memory. `lines` says whether to read debug information, which
    /// takes longer and can be damaged in more ways.
    pub fn find(path: &str, uuid: &str, image: Option<Data>, debug_files: DebugFiles, lines: bool) -> Self {
        let open = |path: &str| (debug_files.open)(path).and_then(|bytes| File::with_uuid(bytes, uuid));
        // An image in memory has all that its file has.
        let image = image.and_then(File::parse).or_else(|| open(path));
        let lines = if lines { Self::lines(path, image, &open, debug_files) } else { Lines::Nowhere };
        Self { functions: image.and_then(|image| image.functions()), lines, open: debug_files.open }
    }

    fn lines(path: &str, image: Option<File>, open: &dyn Fn(&str) -> Option<File>, debug_files: DebugFiles) -> Lines {
        let name = path.rsplit('/').next().unwrap_or(path);
        let inside = format!("Contents/Resources/DWARF/{name}");
        let dsym =
            [format!("{path}.dSYM/{inside}")]
                .into_iter()
                .chain(debug_files.directories.iter().flat_map(|directory| {
                    [format!("{directory}/{name}.dSYM/{inside}"), format!("{directory}/{inside}")]
                }))
                .find_map(|path| open(&path)?.context());
        if let Some(dsym) = dsym {
            return Lines::Dsym(Box::new(dsym));
        }
        match image.and_then(|image| Some(image.table()?.object_map(ENDIAN))).filter(|map| !map.objects().is_empty()) {
            Some(map) => Lines::Objects { map, opened: RefCell::default() },
            None => Lines::Nowhere,
        }
    }

    /// The functions that an address of the image lies in: first what is inlined there, last the one that has code of its own.
    pub fn names(&self, address: u64) -> Vec<Name> {
        let symbol = self.functions.as_ref().and_then(|functions| functions.symbol(address));
        let names = match &self.lines {
            Lines::Nowhere => None,
            Lines::Dsym(lines) => frames(lines, address, |_| None),
            Lines::Objects { map, opened } => self.in_object(map, opened, address),
        };
        with_symbol(names.unwrap_or_default(), symbol)
    }

    /// The functions that an address lies in, by the object file that the debug map names for it.
    fn in_object(
        &self,
        map: &ObjectMap<'static>,
        opened: &RefCell<BTreeMap<usize, Option<ObjectFile>>>,
        address: u64,
    ) -> Option<Vec<Name>> {
        let entry = map.get(address)?;
        let mut opened = opened.try_borrow_mut().ok()?;
        let file = entry.object(map);
        let index = map.objects().iter().position(|object| core::ptr::eq(object, file))?;
        let object = opened.entry(index).or_insert_with(|| {
            let bytes = (self.open)(core::str::from_utf8(file.path()).ok()?)?;
            let bytes = match file.member() {
                None => bytes,
                Some(member) => ArchiveFile::parse(bytes)
                    .ok()?
                    .members()
                    .map_while(Result::ok)
                    .find(|found| found.name() == member)?
                    .data(bytes)
                    .ok()?,
            };
            let file = File::with_uuid(bytes, "")?;
            Some(ObjectFile { lines: file.context()?, table: file.table()? })
        });
        let object = object.as_ref()?;
        let is_same = |symbol: &&'static Nlist64<Endianness>| {
            symbol.is_definition() && object.table.symbol_name(ENDIAN, symbol).is_ok_and(|name| name == entry.name())
        };
        let start = object.table.iter().find(is_same)?.n_value(ENDIAN);
        frames(&object.lines, start.wrapping_add(address.wrapping_sub(entry.address())), |_| None)
    }
}
