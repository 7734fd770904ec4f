//! The next definition of a name behind us in the loader's search order: what `dlsym(RTLD_NEXT, ...)` finds, for a tenth
//! of its 900 instructions and without the loader's lock.
//!
//! Everything is read in place: the loader's list of libraries, as debuggers read it (link.h), and their hash tables. Definitions that
//! are no plain functions, and libraries without such tables, are left to dlsym.

use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Acquire};

use formats::ReadMemory;
use formats::gnu_hash::{Table, hash};
use libc::{Elf64_Phdr, Elf64_Sym};

/// A name and its hash, made at compile time.
pub struct Name {
    /// Ends in a zero byte.
    pub text: &'static str,
    hash: u32,
}

impl Name {
    /// `text` must end in a zero byte.
    pub const fn new(text: &'static str) -> Self {
        let name = if let [name @ .., 0] = text.as_bytes() { name } else { &[] };
        Self { text, hash: hash(name) }
    }

    /// Whether a string is this name.
    pub(crate) unsafe fn is(&self, string: *const u8) -> bool {
        // SAFETY: a string, of which nothing is read behind a byte that differs, such as its end.
        self.text.bytes().enumerate().all(|(index, byte)| unsafe { string.add(index).read() } == byte)
    }
}

impl LinkMap {
    /// The entry behind this one, with all that was written before it was linked in; null at the end.
    fn next(&self) -> *const LinkMap {
        self.next.load(Acquire)
    }
}

/// What a library has by a name.
pub enum Answer {
    /// A function, at this address.
    Function(*mut ()),
    /// Nothing.
    Unknown,
    /// A definition that is no plain function (STT_GNU_IFUNC): the loader has to be asked.
    AskLoader,
}

/// `struct link_map` of link.h, as far as it is public.
#[repr(C)]
pub(crate) struct LinkMap {
    pub(crate) base: usize,
    name: *const u8,
    pub(crate) dynamic: *const Dynamic,
    /// The loader may append to the list, or take from it, at the same time.
    next: AtomicPtr<LinkMap>,
    previous: *const LinkMap,
}

/// `struct r_debug` of link.h, its beginning.
#[repr(C)]
struct Debug {
    version: i32,
    first: *const LinkMap,
}

/// `Elf64_Dyn`
#[repr(C)]
pub(crate) struct Dynamic {
    pub(crate) tag: usize,
    pub(crate) value: usize,
}

const DT_NULL: usize = 0;
pub(crate) const DT_STRTAB: usize = 5;
pub(crate) const DT_SYMTAB: usize = 6;
const DT_DEBUG: usize = 21;
pub(crate) const DT_GNU_HASH: usize = 0x6fff_fef5;
pub(crate) const DT_VERSYM: usize = 0x6fff_fff0;

const STT_FUNC: u8 = 2;
/// Bit of a version index: this is not the default version of the name.
pub(crate) const VERSYM_HIDDEN: u16 = 0x8000;

unsafe extern "C" {
    /// Our own dynamic section, by which the loader's list knows us; from the linker.
    #[link_name = "_DYNAMIC"]
    static OURS: Dynamic;
}

/// Whether the loader's list is found.
pub fn is_list_known() -> bool {
    !first_library().is_null()
}

/// The libraries behind us; nothing when the loader's list is not found, or does not have us.
pub fn libraries() -> impl Iterator<Item = Option<Library>> {
    // SAFETY: an entry of the list stays while its library does. Those that came with the program stay to the end of the process;
    // they come first, and the constructor goes no further than to libc, which is one of them ([`Library::is_whole_libc`]). Those
    // behind were opened by dlopen(3). They are read only for a function that neither libc nor what is before it has: a thread
    // that closes one at this very moment can't be guarded against without the loader's lock, which a handler must not wait for.
    let step = |entry: *const LinkMap| unsafe { entry.as_ref() };
    let mut entry = step(first_library());
    while let Some(other) = entry.filter(|entry| !ptr::eq(entry.dynamic, &raw const OURS)) {
        entry = step(other.next());
    }
    core::iter::from_fn(move || {
        entry = step(entry?.next());
        // SAFETY: an entry of the loader's list.
        entry.map(|entry| unsafe { Library::read(entry) })
    })
}

/// The loader's list as it is now, for handlers: what a crashed program has written there may have made a circle of it.
fn entries_now() -> impl Iterator<Item = &'static LinkMap> {
    /// No process has as many files in memory: vm.max_map_count is 65,530, and each file has several mappings.
    const MOST_FILES: usize = 65_536;
    let mut next = first_library();
    core::iter::from_fn(move || {
        // SAFETY: null, or an entry of the loader's list; what was there when the program started stays, and is first.
        let entry = unsafe { next.as_ref() }?;
        next = entry.next();
        Some(entry)
    })
    .take(MOST_FILES)
}

/// Where each file of the loader's list is loaded: the executable's first, then the libraries in the order of their loading.
pub fn load_addresses() -> impl Iterator<Item = usize> {
    entries_now().map(|entry| entry.base)
}

/// The entry of the file that an address of code is in: the one with the highest start below it. Only the list itself is read.
pub(crate) fn file_of(code: usize) -> Option<&'static LinkMap> {
    let below = entries_now().filter(|entry| entry.base <= code);
    below.reduce(|holder, entry| if holder.base < entry.base { entry } else { holder })
}

/// Whether code is in a file that Go's compiler has made, by the note that such files have.
pub fn is_of_go(code: usize) -> bool {
    const NAME: [u8; 4] = *b"Go\0\0";
    // SAFETY: the file that the code is in stays, with its program headers and what they describe; of other files only the entry in
    // the loader's list is read.
    unsafe {
        let mut next = first_library();
        let mut holder: Option<(usize, bool)> = None;
        let mut is_executable = true;
        while let Some(entry) = next.as_ref() {
            if entry.base <= code && holder.is_none_or(|(base, _)| base < entry.base) {
                holder = Some((entry.base, is_executable));
            }
            is_executable = false;
            next = entry.next();
        }
        let Some((base, is_executable)) = holder else { return false };
        program_headers(base, is_executable).filter(|header| header.p_type == libc::PT_NOTE).any(|header| {
            let mut note = base + header.p_vaddr as usize;
            let end = note + header.p_memsz as usize;
            while note + 16 <= end {
                let words = ptr::with_exposed_provenance::<u32>(note);
                let (name, more) = (words.read() as usize, words.add(1).read() as usize);
                if name == NAME.len() && words.add(3).cast::<[u8; 4]>().read() == NAME {
                    return true;
                }
                note += 12 + name.next_multiple_of(4) + more.next_multiple_of(4);
            }
            false
        })
    }
}

/// The program headers of a file in the loader's list.
///
/// # Safety
/// `base` is the entry's, and the file stays loaded.
unsafe fn program_headers(base: usize, is_executable: bool) -> impl Iterator<Item = &'static Elf64_Phdr> {
    /// A lower base is no address: the file was linked for the addresses where it is.
    const LOWEST: usize = 65536;
    // SAFETY: the executable's are where the auxiliary vector says; another file's, where its ELF header says, at its start.
    let (headers, count) = unsafe {
        if is_executable {
            (libc::getauxval(libc::AT_PHDR) as *const Elf64_Phdr, libc::getauxval(libc::AT_PHNUM) as usize)
        } else if base < LOWEST {
            (ptr::null(), 0)
        } else {
            let header = ptr::with_exposed_provenance::<libc::Elf64_Ehdr>(base);
            let is_elf = (*header).e_ident.first_chunk() == Some(b"\x7fELF");
            let count = if is_elf { usize::from((*header).e_phnum) } else { 0 };
            (ptr::with_exposed_provenance(base + (*header).e_phoff as usize), count)
        }
    };
    // SAFETY: the table has that many headers, and is mapped as long as its file is.
    (0..count).map(move |index| unsafe { &*headers.add(index) })
}

/// Where libc's code is. Libraries that may be closed are not read: libc comes before them in the list.
pub fn code_of_libc() -> Option<Range<usize>> {
    let function = libc::__errno_location as *const () as usize;
    let mut next = first_library();
    let mut is_executable = true;
    // SAFETY: null, or an entry of the loader's list; libc and what is before it stay.
    unsafe {
        while let Some(entry) = next.as_ref() {
            let part = |header: &Elf64_Phdr| {
                let start = entry.base + header.p_vaddr as usize;
                start..start + header.p_memsz as usize
            };
            let is_code = |header: &&Elf64_Phdr| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0;
            let found = program_headers(entry.base, is_executable).filter(is_code).map(part);
            if let Some(found) = found.into_iter().find(|part| part.contains(&function)) {
                return Some(found);
            }
            is_executable = false;
            next = entry.next();
        }
    }
    None
}

/// The first entry of the loader's list, to which the executable's dynamic section leads, for debuggers (DT_DEBUG).
fn first_library() -> *const LinkMap {
    // SAFETY: getauxval has no preconditions. The auxiliary vector tells where the executable's program headers are and how many;
    // they and what they describe are mapped as long as the process lives.
    unsafe {
        let headers = libc::getauxval(libc::AT_PHDR) as *const Elf64_Phdr;
        if headers.is_null() {
            return ptr::null();
        }
        let (mut base, mut dynamic) = (None, None);
        for index in 0..libc::getauxval(libc::AT_PHNUM) as usize {
            let header = &*headers.add(index);
            match header.p_type {
                libc::PT_PHDR => base = (headers as usize).checked_sub(header.p_vaddr as usize),
                libc::PT_DYNAMIC => dynamic = Some(header.p_vaddr as usize),
                _ => {}
            }
        }
        let (Some(base), Some(dynamic)) = (base, dynamic) else { return ptr::null() };
        let debug = entries((base + dynamic) as *const Dynamic).find(|entry| entry.tag == DT_DEBUG);
        let debug = debug.map_or(ptr::null(), |entry| entry.value as *const Debug);
        debug.as_ref().map_or(ptr::null(), |debug| debug.first)
    }
}

/// The entries of a dynamic section, without the DT_NULL at its end.
///
/// # Safety
/// `first` is the first entry of a section that stays mapped.
pub(crate) unsafe fn entries(first: *const Dynamic) -> impl Iterator<Item = &'static Dynamic> {
    // SAFETY: the caller promises a dynamic section, of which nothing behind DT_NULL is read.
    (0..).map(move |index| unsafe { &*first.add(index) }).take_while(|entry| entry.tag != DT_NULL)
}

/// Memory of our own that is there: read without asking whether it is, which would cost a system call for each number.
struct Loaded(());

impl Loaded {
    /// # Safety
    /// What is read by it is mapped.
    unsafe fn new() -> Self {
        Self(())
    }
}

impl ReadMemory for Loaded {
    #[inline(always)]
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        // SAFETY: as its maker has promised; a buffer of ours is nowhere else.
        unsafe { ptr::with_exposed_provenance::<u8>(address as usize).copy_to(buffer.as_mut_ptr(), buffer.len()) };
        buffer.len()
    }

    #[inline(always)]
    fn u64_at(&mut self, address: u64) -> Option<u64> {
        // SAFETY: as its maker has promised.
        Some(unsafe { ptr::with_exposed_provenance::<u64>(address as usize).read_unaligned() })
    }

    #[inline(always)]
    fn u32_at(&mut self, address: u64) -> Option<u32> {
        // SAFETY: as its maker has promised.
        Some(unsafe { ptr::with_exposed_provenance::<u32>(address as usize).read_unaligned() })
    }
}

/// Where a library's tables of names are.
pub struct Library {
    base: usize,
    symbols: *const Elf64_Sym,
    strings: *const u8,
    versions: *const u16,
    /// `DT_GNU_HASH`
    hash: *const u32,
}

impl Library {
    /// `None` when the library has no table of the kind that is read here (DT_GNU_HASH).
    ///
    /// # Safety
    /// `entry` is of the loader's list, and its library stays loaded.
    pub(crate) unsafe fn read(entry: &LinkMap) -> Option<Self> {
        let mut library = Self {
            base: entry.base,
            symbols: ptr::null(),
            strings: ptr::null(),
            versions: ptr::null(),
            hash: ptr::null(),
        };
        // The loader has relocated these in place, but not in a read-only section, as the vDSO's is.
        let address = |value: usize| if value < entry.base { entry.base + value } else { value };
        // SAFETY: the entry's library is mapped.
        for Dynamic { tag, value } in unsafe { entries(entry.dynamic) } {
            match *tag {
                DT_SYMTAB => library.symbols = address(*value) as *const _,
                DT_STRTAB => library.strings = address(*value) as *const _,
                DT_VERSYM => library.versions = address(*value) as *const _,
                DT_GNU_HASH => library.hash = address(*value) as *const _,
                _ => {}
            }
        }
        let usual = !library.symbols.is_null() && !library.strings.is_null() && !library.hash.is_null();
        usual.then_some(library)
    }

    /// Whether it is libc, and threads are a part of it: what is not found up to here is nowhere. Not so glibc before 2.34, which may
    /// have libpthread behind it.
    pub fn is_whole_libc(&self) -> bool {
        const OWN: Name = Name::new("__errno_location\0");
        const OF_THREADS: Name = Name::new("pthread_key_create\0");
        let own = libc::__errno_location as *const () as *mut ();
        matches!(self.find(&OWN), Answer::Function(found) if found == own)
            && matches!(self.find(&OF_THREADS), Answer::Function(_))
    }

    /// What the library says of a name, in its default version.
    pub fn find(&self, name: &Name) -> Answer {
        self.find_version(name, false)
    }

    /// The same; if `is_hidden`, in a version that is not the default one.
    pub fn find_version(&self, name: &Name, is_hidden: bool) -> Answer {
        // SAFETY: the loader and the linker that made the library agree on this table, which is mapped; its own numbers say
        // where each part begins, and a chain's last entry has its lowest bit set.
        let mut memory = unsafe { Loaded::new() };
        let definition = |_: &mut Loaded, index: u32| {
            // SAFETY: the index is from the library's own hash table.
            unsafe { self.definition(index as usize, name, is_hidden) }
        };
        let table = Table::read(&mut memory, self.hash.expose_provenance() as u64);
        table.and_then(|table| table.find(&mut memory, name.hash, definition)).unwrap_or(Answer::Unknown)
    }

    unsafe fn definition(&self, index: usize, name: &Name, is_hidden: bool) -> Option<Answer> {
        // SAFETY: the index is from the library's own hash table.
        unsafe {
            let symbol = &*self.symbols.add(index);
            let hidden = !self.versions.is_null() && *self.versions.add(index) & VERSYM_HIDDEN != 0;
            if symbol.st_shndx == 0 || hidden != is_hidden || !name.is(self.strings.add(symbol.st_name as usize)) {
                return None;
            }
            let is_function = symbol.st_info & 0xf == STT_FUNC;
            let address = (self.base + symbol.st_value as usize) as *mut ();
            Some(if is_function { Answer::Function(address) } else { Answer::AskLoader })
        }
    }
}
