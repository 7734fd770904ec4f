//! Reads ELF files, to tell what ld.so would do with them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use object::elf::{self, FileHeader64, Machine};
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, ReadCache, ReadCacheOps, ReadRef};

use super::PRELOAD;

/// The machine that this launcher, and so the library beside it, is for.
const MACHINE: Machine = if cfg!(target_arch = "aarch64") { elf::EM_AARCH64 } else { elf::EM_X86_64 };

/// An ELF file. All but the first two fields are only filled for a file of our own class and machine.
#[derive(Default)]
pub struct Image {
    /// Whether it is of class 64.
    is_64: bool,
    /// Which machine it is for.
    machine: Machine,
    /// PT_INTERP: the loader, which the kernel starts with the program.
    pub interpreter: Option<String>,
    /// DT_SONAME
    soname: Option<String>,
    /// DT_NEEDED: names of the libraries that it is linked with.
    pub needed: Vec<String>,
    /// DT_RPATH
    pub rpath: Option<String>,
    /// DT_RUNPATH
    pub runpath: Option<String>,
    /// Functions and data that it imports.
    pub imports: Vec<String>,
    /// Functions and data that it exports.
    pub exports: Vec<String>,
    /// Whether Go's compiler has made it.
    is_go: bool,
    /// Whether it is an object file or a core file (ET_REL, ET_CORE).
    is_object_or_core: bool,
}

/// A file, as [`ReadCache`] reads it. The crate `object` has that itself with its feature `std`, which must stay off,
/// since the library uses the crate, too.
struct Bytes(File);

impl ReadCacheOps for Bytes {
    fn len(&mut self) -> Result<u64, ()> {
        self.0.seek(SeekFrom::End(0)).map_err(drop)
    }

    fn seek(&mut self, position: u64) -> Result<u64, ()> {
        self.0.seek(SeekFrom::Start(position)).map_err(drop)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
        self.0.read(buffer).map_err(drop)
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ()> {
        self.0.read_exact(buffer).map_err(drop)
    }
}

impl Image {
    /// What the file is; `None` when it is not ELF.
    ///
    /// # Errors
    /// When it can't be read, or is damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let file = File::open(path).map_err(|error| crate::exit::reason(&error))?;
        Self::parse(&ReadCache::new(Bytes(file)))
    }

    /// The same by a file's content.
    pub fn parse<'data, R: ReadRef<'data>>(data: R) -> Result<Option<Self>, String> {
        // e_ident (16 bytes), e_type and e_machine (2 bytes each), which files of 32 bits have in the same place.
        let ident = match data.read_bytes_at(0, 20) {
            Ok(ident) if ident.starts_with(&elf::ELFMAG) => ident,
            _ => return Ok(None),
        };
        let (class, order) = (ident.get(4).copied(), ident.get(5).copied());
        let machine = match ident.get(18..20).and_then(|bytes| <[u8; 2]>::try_from(bytes).ok()) {
            Some(bytes) if order == Some(elf::ELFDATA2MSB.0) => u16::from_be_bytes(bytes),
            Some(bytes) => u16::from_le_bytes(bytes),
            None => 0,
        };
        let mut image = Self { is_64: class == Some(elf::ELFCLASS64.0), machine: Machine(machine), ..Self::default() };
        if image.is_native() {
            image.fill(data).map_err(|error| format!("damaged ELF file: {error}"))?;
        }
        Ok(Some(image))
    }

    /// Whether it is for the machine of this launcher and of the library.
    pub fn is_native(&self) -> bool {
        self.is_64 && self.machine == MACHINE
    }

    /// Reads segments, notes, sections and dynamic symbols.
    fn fill<'data, R: ReadRef<'data>>(&mut self, data: R) -> object::Result<()> {
        let header = FileHeader64::<LittleEndian>::parse(data)?;
        self.is_object_or_core = matches!(header.e_type.get(LittleEndian), elf::ET_REL | elf::ET_CORE);
        let segments = header.program_headers(LittleEndian, data)?;
        for segment in segments {
            if let Some(interpreter) = segment.interpreter(LittleEndian, data)? {
                self.interpreter = Some(text(interpreter));
            }
            if let Ok(Some(mut notes)) = segment.notes(LittleEndian, data) {
                self.is_go |= matches!(notes.next(), Ok(Some(note)) if note.name() == b"Go");
            }
        }
        for segment in segments {
            if let Some(entries) = segment.dynamic(LittleEndian, data)? {
                self.fill_dynamic(entries, segments, data);
            }
        }
        let file = ElfFile64::<LittleEndian, R>::parse(data)?;
        self.is_go |= file.sections().any(|section| matches!(section.name(), Ok(".go.buildinfo" | ".note.go.buildid")));
        for symbol in file.dynamic_symbols() {
            let Ok(name) = symbol.name() else { continue };
            if symbol.is_undefined() {
                self.imports.push(name.to_owned());
            } else if symbol.is_global() {
                self.exports.push(name.to_owned());
            }
        }
        Ok(())
    }

    /// Reads the dynamic section. Its strings are given by address, which the segments turn into an offset in the file.
    fn fill_dynamic<'data, R: ReadRef<'data>>(
        &mut self,
        entries: &[elf::Dyn64<LittleEndian>],
        segments: &[elf::ProgramHeader64<LittleEndian>],
        data: R,
    ) {
        let entries = || {
            let pairs = entries.iter().map(|entry| (entry.tag(LittleEndian), entry.val(LittleEndian)));
            pairs.take_while(|(tag, _)| *tag != elf::DT_NULL)
        };
        let value = |wanted| entries().find(|(tag, _)| *tag == wanted).map(|(_, value)| value);
        let strings = value(elf::DT_STRTAB).zip(value(elf::DT_STRSZ)).and_then(|(address, size)| {
            let segment = segments.iter().find(|segment| {
                let start = segment.p_vaddr.get(LittleEndian);
                segment.p_type.get(LittleEndian) == elf::PT_LOAD
                    && (start..start.saturating_add(segment.p_filesz.get(LittleEndian))).contains(&address)
            })?;
            let offset =
                (address - segment.p_vaddr.get(LittleEndian)).checked_add(segment.p_offset.get(LittleEndian))?;
            data.read_bytes_at(offset, size).ok()
        });
        let string = |offset: u64| {
            let bytes = strings?.get(usize::try_from(offset).ok()?..)?;
            Some(text(bytes.split(|&byte| byte == 0).next()?))
        };
        for (tag, value) in entries() {
            match tag {
                elf::DT_NEEDED => self.needed.extend(string(value)),
                elf::DT_SONAME => self.soname = string(value),
                elf::DT_RPATH => self.rpath = string(value),
                elf::DT_RUNPATH => self.runpath = string(value),
                _ => {}
            }
        }
    }

    /// Whether it is ld.so itself. Started as a program, it loads the program that is its argument, and the library
    /// with it.
    pub fn is_loader(&self) -> bool {
        self.interpreter.is_none() && self.soname.as_ref().is_some_and(|name| name.starts_with("ld-linux"))
    }

    /// The path of musl's loader, if the program is linked with musl.
    pub fn musl(&self) -> Option<&str> {
        let loader = self.interpreter.as_deref()?;
        loader.rsplit('/').next().is_some_and(|name| name.starts_with("ld-musl")).then_some(loader)
    }

    /// Why the library can't be loaded into it, as a sentence about `it`; `None` when it can.
    pub fn objection(&self) -> Option<String> {
        if !self.is_native() {
            let (theirs, ours) = (machine_name(self.machine, self.is_64), machine_name(MACHINE, true));
            return Some(format!("it is for {theirs} and the library is for {ours}"));
        }
        if self.is_object_or_core {
            return Some("it is an object file or a core file, not a program".into());
        }
        if self.is_loader() {
            return None;
        }
        let Some(interpreter) = &self.interpreter else {
            let static_go = if self.is_go { " (a Go program without cgo)" } else { "" };
            return Some(format!("it is statically linked{static_go}, so that nothing can be loaded into it"));
        };
        let other = match interpreter.rsplit('/').next().unwrap_or_default() {
            // On x86_64 the library loads there, too (docs/platforms.md).
            _ if self.musl().is_some() && cfg!(not(target_arch = "x86_64")) => "musl",
            "linker64" | "linker" => "Android's libc",
            _ => return None,
        };
        Some(format!("it is linked with {other} (its loader is {interpreter}) and the library is for glibc"))
    }

    /// What its user should know though the library can be loaded: what stands behind its name and `is`.
    pub fn remark(&self) -> Option<&'static str> {
        self.is_go.then_some(
            "a Go program, whose runtime makes its own system calls and handles its own signals: broken connections \
             were only errors to it anyway, a broken stdout or stderr ends it as ever, and Go itself tells of its \
             crashes; C code in it (cgo) is covered as in any program",
        )
    }
}

/// Names that a library exports.
///
/// # Errors
/// When the file is no library for this machine.
pub fn exports(path: &Path) -> Result<Vec<String>, String> {
    let image = Image::read(path)?.ok_or("it is not an ELF file")?;
    if !image.is_native() {
        let (theirs, ours) = (machine_name(image.machine, image.is_64), machine_name(MACHINE, true));
        return Err(format!("it is for {theirs} and this launcher is for {ours}"));
    }
    if image.interpreter.is_some() {
        return Err(format!("it is a program, which {PRELOAD} can't load"));
    }
    Ok(image.exports)
}

/// The name of a machine for messages; x86_64 and x32 have the same number and differ in their class.
fn machine_name(machine: Machine, is_64: bool) -> String {
    let name = match machine {
        elf::EM_X86_64 if is_64 => "x86_64",
        elf::EM_X86_64 => "x32",
        elf::EM_386 => "32-bit x86",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "32-bit arm",
        elf::EM_RISCV => "riscv",
        elf::EM_PPC64 => "ppc64",
        elf::EM_S390 => "s390",
        other => return format!("another machine (ELF machine {})", other.0),
    };
    name.into()
}

/// A string of the file.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
