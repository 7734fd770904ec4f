//! Reads Mach-O files, to tell what the kernel and dyld would do with them.
//!
//! Nothing here asks the system: tests on other systems compile this file, too.

use formats::ReadMemory;
use formats::macho::{Command, Header, LC_SEGMENT_64, LC_SYMTAB, MH_MAGIC_64};

use super::signature::{ALLOW_ENVIRONMENT, ALLOW_FOREIGN_LIBRARIES, Signature};

// From mach-o/loader.h, mach-o/fat.h, mach/machine.h and mach-o/nlist.h.
const MH_MAGIC: u32 = 0xfeed_face;
const FAT_MAGIC: u32 = 0xcafe_babe;
const FAT_MAGIC_64: u32 = 0xcafe_babf;
const CPU_TYPE_X86_64: u32 = 0x0100_0007;
const CPU_TYPE_ARM64: u32 = 0x0100_000c;
const CPU_SUBTYPE_ARM64E: u32 = 2;
const MH_EXECUTE: u32 = 2;
const MH_DYLIB: u32 = 6;
const LC_LOAD_DYLIB: u32 = 0xc;
const LC_LOAD_DYLINKER: u32 = 0xe;
const LC_LOAD_WEAK_DYLIB: u32 = 0x8000_0018;
const LC_RPATH: u32 = 0x8000_001c;
const LC_CODE_SIGNATURE: u32 = 0x1d;
const LC_REEXPORT_DYLIB: u32 = 0x8000_001f;
const LC_LOAD_UPWARD_DYLIB: u32 = 0x8000_0023;
const N_STAB: u8 = 0xe0;
const N_TYPE: u8 = 0x0e;
const N_EXT: u8 = 0x01;
const N_UNDF: u8 = 0;

/// Processors for which the library exists or could be loaded, and all others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cpu {
    X86_64,
    Arm64,
    /// Arm64 with pointer authentication: its programs take only libraries of their own kind.
    Arm64e,
    Other,
}

impl Cpu {
    fn of(cputype: u32, subtype: u32) -> Self {
        // The subtype's upper byte has flags of its own (CPU_SUBTYPE_MASK).
        match (cputype, subtype & 0xff_ffff) {
            (CPU_TYPE_X86_64, _) => Self::X86_64,
            (CPU_TYPE_ARM64, CPU_SUBTYPE_ARM64E) => Self::Arm64e,
            (CPU_TYPE_ARM64, _) => Self::Arm64,
            _ => Self::Other,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
            Self::Arm64e => "arm64e",
            Self::Other => "another processor",
        }
    }

    /// What a machine of this kind runs, in the order in which it chooses; x86_64 on arm64 by Rosetta 2.
    fn runs(self) -> &'static [Self] {
        match self {
            Self::X86_64 => &[Self::X86_64],
            _ => &[Self::Arm64, Self::Arm64e, Self::X86_64],
        }
    }
}

/// What a Mach-O file is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Program,
    Library,
    Other,
}

/// Reads so many bytes at an offset of a file, or at an address of a process; `None` if they can't all be read.
pub type Source<'a> = &'a dyn Fn(u64, usize) -> Option<Vec<u8>>;

/// A [`Source`] as [`ReadMemory`].
pub struct Read<'a>(pub Source<'a>);

impl ReadMemory for Read<'_> {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let found = (self.0)(address, buffer.len()).unwrap_or_default();
        buffer.iter_mut().zip(&found).for_each(|(to, from)| *to = *from);
        buffer.len().min(found.len())
    }
}

/// A Mach-O file, thin or universal: the slice that this machine would take of it.
pub struct Image {
    pub kind: Kind,
    /// The processor of the slice.
    cpu: Cpu,
    /// The processor of this machine.
    host: Cpu,
    /// The processors of all the file's slices.
    slices: Vec<Cpu>,
    /// Whether dyld loads it: a static program has no dyld.
    is_dynamic: bool,
    /// Whether it has a segment __RESTRICT, with which dyld takes nothing from the environment.
    is_restricted: bool,
    signature: Option<Signature>,
    /// Always `None`; ELF files have one.
    pub interpreter: Option<String>,
    /// LC_LOAD_DYLIB and its relatives: paths of libraries.
    pub needed: Vec<String>,
    /// LC_RPATH: where paths that begin with @rpath are looked for.
    pub rpaths: Vec<String>,
    /// Functions and data that it imports, without C's underscore.
    pub imports: Vec<String>,
    /// Functions and data that it exports, without C's underscore.
    pub exports: Vec<String>,
}

impl Image {
    /// What the file is; `None` when it is not Mach-O. `host` is this machine's processor.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn parse(read: Source<'_>, host: Cpu) -> Result<Option<Self>, String> {
        let Some(slices) = slices(read) else { return Ok(None) };
        let chosen = host.runs().iter().find_map(|cpu| slices.iter().find(|(slice, _)| slice == cpu)).copied();
        let mut image = Self {
            kind: Kind::Other,
            cpu: chosen.map_or(Cpu::Other, |(cpu, _)| cpu),
            host,
            slices: slices.iter().map(|(cpu, _)| *cpu).collect(),
            is_dynamic: false,
            is_restricted: false,
            signature: None,
            interpreter: None,
            needed: Vec::new(),
            rpaths: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
        };
        if let Some((_, offset)) = chosen {
            image.fill(&|at, size| read(offset.checked_add(at)?, size)).ok_or("damaged Mach-O file")?;
        }
        Ok(Some(image))
    }

    /// Reads a slice, whose offsets count from its own start.
    fn fill(&mut self, read: Source<'_>) -> Option<()> {
        let memory = &mut Read(read);
        let header = Header::read(memory, 0)?;
        self.kind = match header.file_type {
            MH_EXECUTE => Kind::Program,
            MH_DYLIB => Kind::Library,
            _ => Kind::Other,
        };
        let mut commands = header.commands();
        while let Some(command) = commands.next(memory) {
            self.command(&command, read)?;
        }
        commands.is_complete().then_some(())
    }

    /// Takes from one load command what is of interest.
    fn command(&mut self, command: &Command, read: Source<'_>) -> Option<()> {
        // The string in a command, whose offset within the command is its first number.
        let string = || text(&read(command.address, command.size as usize)?, command.u32(8)? as usize);
        match command.kind {
            LC_LOAD_DYLINKER => self.is_dynamic = true,
            LC_LOAD_DYLIB | LC_LOAD_WEAK_DYLIB | LC_REEXPORT_DYLIB | LC_LOAD_UPWARD_DYLIB => {
                self.needed.push(string()?);
            }
            LC_RPATH => self.rpaths.push(string()?),
            LC_SEGMENT_64 => self.is_restricted |= command.segment()?.is(b"__RESTRICT"),
            LC_CODE_SIGNATURE => {
                let blob = read(u64::from(command.u32(8)?), command.u32(12)? as usize)?;
                self.signature = Signature::parse(&blob);
            }
            LC_SYMTAB => {
                /// Size in bytes of struct nlist_64: the name's offset is its first field, and n_type is at 4.
                const ENTRY: usize = 16;
                let (symbols, count) = (command.u32(8)?, command.u32(12)? as usize);
                let table = read(u64::from(symbols), count.checked_mul(ENTRY)?)?;
                let strings = read(u64::from(command.u32(16)?), command.u32(20)? as usize)?;
                for entry in table.chunks_exact(ENTRY) {
                    let kind = *entry.get(4)?;
                    if kind & N_STAB != 0 || kind & N_EXT == 0 {
                        continue;
                    }
                    let Some(name) = text(&strings, word(entry, 0)? as usize) else { continue };
                    let name = name.strip_prefix('_').unwrap_or(&name).to_owned();
                    if kind & N_TYPE == N_UNDF { self.imports.push(name) } else { self.exports.push(name) }
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Always false: dyld can't be started as a program.
    pub fn is_loader(&self) -> bool {
        false
    }

    /// Why the library can't be inserted into it, as a sentence about `it`; `None` when it can.
    pub fn objection(&self) -> Option<String> {
        let (cpu, host) = (self.cpu.name(), self.host.name());
        if self.cpu == Cpu::Other {
            return Some(format!("it is for {} and this machine is for {host}", self.slices_in_words()));
        }
        if self.kind != Kind::Program {
            return Some("it is a library or another Mach-O file that can't be executed".into());
        }
        if !self.is_dynamic {
            return Some("it is statically linked, so that nothing can be loaded into it".into());
        }
        if self.cpu == Cpu::Arm64e {
            return Some(format!("it is for {cpu}, and dyld ends such a program when a library for arm64 is inserted"));
        }
        if self.is_restricted {
            return Some("it has a __RESTRICT segment, with which dyld inserts nothing".into());
        }
        let signature = self.signature.as_ref()?;
        if !signature.takes_environment() {
            return Some(format!(
                "it is signed with the hardened runtime and without the entitlement {ALLOW_ENVIRONMENT}, so that \
                 macOS takes DYLD_INSERT_LIBRARIES away from it: sign a copy of it anew"
            ));
        }
        (!signature.takes_foreign_libraries()).then(|| {
            format!(
                "it is signed with library validation and without the entitlement {ALLOW_FOREIGN_LIBRARIES}, so that \
                 macOS ends it when a library that its maker has not signed is inserted: sign a copy of it anew"
            )
        })
    }

    /// What its user should know though the library can be inserted: what stands behind its name and `is`.
    pub fn remark(&self) -> Option<&'static str> {
        (self.cpu == Cpu::X86_64 && self.host != Cpu::X86_64)
            .then_some("an x86_64 program, which Rosetta 2 will translate, and the library's x86_64 half with it")
    }

    /// The processor whose slice this machine runs.
    pub fn cpu_name(&self) -> &'static str {
        self.cpu.name()
    }

    /// Whether this library has a slice for the processor as which a program will run.
    pub fn has_slice_for(&self, program: &Self) -> bool {
        self.slices.contains(&program.cpu)
    }

    /// Names of the processors of all its slices, for messages.
    pub fn slices_in_words(&self) -> String {
        let names: Vec<_> = self.slices.iter().map(|cpu| cpu.name()).collect();
        names.join(" and ")
    }
}

/// The slices of a universal file with their offsets, or the only one; `None` when it is not Mach-O.
fn slices(read: Source<'_>) -> Option<Vec<(Cpu, u64)>> {
    let head = read(0, 12)?;
    let big = |bytes: &[u8], at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    // Sizes in bytes of struct fat_arch and struct fat_arch_64, whose numbers are big-endian.
    let entry_size = match big(&head, 0)? {
        FAT_MAGIC => 20,
        FAT_MAGIC_64 => 32,
        _ => {
            return match word(&head, 0)? {
                MH_MAGIC_64 => Some(vec![(Cpu::of(word(&head, 4)?, word(&head, 8)?), 0)]),
                MH_MAGIC => Some(vec![(Cpu::Other, 0)]),
                _ => None,
            };
        }
    };
    // Java's class files have the same magic number, and where a universal file has the number of slices, a version of
    // 45 or more.
    let count = usize::try_from(big(&head, 4)?).ok().filter(|count| (1..40).contains(count))?;
    let table = read(8, count * entry_size)?;
    table
        .chunks_exact(entry_size)
        .map(|entry| {
            let offset = if entry_size == 20 {
                u64::from(big(entry, 8)?)
            } else {
                u64::from(big(entry, 8)?) << 32 | u64::from(big(entry, 12)?)
            };
            Some((Cpu::of(big(entry, 0)?, big(entry, 4)?), offset))
        })
        .collect()
}

/// A little-endian number of 4 bytes.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A string that ends with a zero byte, or with the bytes.
fn text(bytes: &[u8], at: usize) -> Option<String> {
    let rest = bytes.get(at..)?;
    Some(String::from_utf8_lossy(rest.split(|&byte| byte == 0).next()?).into_owned())
}
