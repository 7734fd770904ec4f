//! Which version of a function a caller was linked with, where libc has an old one besides.
//!
//! A hook has no version: the loader binds all callers to it, whichever version they ask for. So the tables of the caller's own file
//! are read.

use core::ptr;

use libc::Elf64_Sym;

use super::next::{
    Answer, DT_GNU_HASH, DT_STRTAB, DT_SYMTAB, DT_VERSYM, Dynamic, LinkMap, Name, VERSYM_HIDDEN, entries, file_of,
    libraries,
};
use super::real_function;

const DT_HASH: usize = 4;
const DT_VERNEED: usize = 0x6fff_fffe;
const OLD: &[u8] = b"GLIBC_2.2.5\0";

/// `Elf64_Verneed` of elf.h: a library of which versions are needed.
#[repr(C)]
struct Need {
    version: u16,
    count: u16,
    file: u32,
    first: u32,
    next: u32,
}

/// `Elf64_Vernaux`: one of them.
#[repr(C)]
struct NeededVersion {
    hash: u32,
    flags: u16,
    index: u16,
    name: u32,
    next: u32,
}

/// `struct dl_find_object` of dlfcn.h.
#[repr(C)]
struct Found {
    flags: u64,
    start: usize,
    end: usize,
    entry: *const LinkMap,
    rest: [u64; 12],
}

mod finder {
    use super::Found;
    super::real_function! { Errno _dl_find_object(address: usize, found: *mut Found) -> libc::c_int }
}

/// The old version of a function, if that is what the code at an address in its caller was linked with.
#[cold]
pub fn old_version(caller: usize, name: &Name) -> Option<*const ()> {
    let mut found = Found { flags: 0, start: 0, end: 0, entry: ptr::null(), rest: [0; 12] };
    // `_dl_find_object` takes no lock, and can deal with libraries that are closed meanwhile. Before glibc 2.35 there is none.
    // SAFETY: the structure is ours; the caller's file stays while it is in a call.
    let caller = unsafe {
        let known = finder::real()(caller, &raw mut found) == 0;
        if known { found.entry.as_ref() } else { file_of(caller) }
    }?;
    // SAFETY: the caller's file stays while it is in a call.
    if !unsafe { wants_old(caller, name) } {
        return None;
    }
    libraries().flatten().find_map(|library| match (library.find_version(name, true), library.find(name)) {
        (Answer::Function(old), _) => Some(Some(old.cast_const())),
        // Another library's, which has no versions either.
        (_, Answer::Function(_) | Answer::AskLoader) => Some(None),
        _ => None,
    })?
}

/// Whether a file imports the name in its old version.
unsafe fn wants_old(file: &LinkMap, name: &Name) -> bool {
    let (mut symbols, mut strings) = (ptr::null::<Elf64_Sym>(), ptr::null::<u8>());
    let (mut versions, mut needs) = (ptr::null::<u16>(), ptr::null::<u8>());
    let mut count = 0;
    let address =
        |value: usize| ptr::with_exposed_provenance::<u8>(if value < file.base { file.base + value } else { value });
    // SAFETY: the loader and the linker that made the file agree on these tables, which are mapped; names that are
    // imported come before those that the hash table of the newer kind has.
    unsafe {
        for Dynamic { tag, value } in entries(file.dynamic) {
            match *tag {
                DT_SYMTAB => symbols = address(*value).cast(),
                DT_STRTAB => strings = address(*value),
                DT_VERSYM => versions = address(*value).cast(),
                DT_VERNEED => needs = address(*value),
                DT_HASH | DT_GNU_HASH => count = count.max(address(*value).cast::<u32>().add(1).read()),
                _ => {}
            }
        }
        if symbols.is_null() || strings.is_null() || versions.is_null() || needs.is_null() {
            return false;
        }
        let is_import = |&index: &usize| {
            let symbol = &*symbols.add(index);
            symbol.st_shndx == 0 && name.is(strings.add(symbol.st_name as usize))
        };
        let Some(import) = (1..count as usize).find(is_import) else { return false };
        let wanted = versions.add(import).read() & !VERSYM_HIDDEN;
        loop {
            let need = &*needs.cast::<Need>();
            let mut version = needs.add(need.first as usize);
            for _ in 0..need.count {
                let NeededVersion { index, name, next, .. } = &*version.cast::<NeededVersion>();
                if *index == wanted {
                    let name = strings.add(*name as usize);
                    return OLD.iter().enumerate().all(|(index, byte)| name.add(index).read() == *byte);
                }
                version = version.add(*next as usize);
            }
            if need.next == 0 {
                return false;
            }
            needs = needs.add(need.next as usize);
        }
    }
}
