//! The library that an address belongs to, found in the loader's list without its lock.

use core::ptr;

use libc::{Elf64_Ehdr, Elf64_Phdr, PT_GNU_EH_FRAME, PT_LOAD};

use super::next::load_addresses;

/// A library as the loader has mapped it.
pub struct Image {
    base: u64,
    headers: &'static [Elf64_Phdr],
    /// Address and size of `.eh_frame_hdr`.
    pub frame_table: Option<(u64, u64)>,
}

/// The library with code or data at an address. The search ends at the first one that has it: libraries that were there when the
/// program started come first in the loader's list, and stay.
pub fn image_of(address: u64) -> Option<Image> {
    load_addresses().filter_map(read).find(|image| image.contains(address))
}

/// The library whose address 0, and so its ELF header, the loader has put at `base`. `None` for an executable at a fixed address, whose
/// base is 0.
fn read(base: usize) -> Option<Image> {
    if base == 0 || !base.is_multiple_of(super::PAGE) {
        return None;
    }
    // SAFETY: libraries are linked at address 0, and begin with the ELF header, which the loader has mapped. It has offset and number of
    // the program headers, which are mapped with it.
    let headers = unsafe {
        let header = &*ptr::with_exposed_provenance::<Elf64_Ehdr>(base);
        if !header.e_ident.starts_with(b"\x7fELF") {
            return None;
        }
        let first = ptr::with_exposed_provenance::<Elf64_Phdr>(base + header.e_phoff as usize);
        core::slice::from_raw_parts(first, usize::from(header.e_phnum))
    };
    let table = headers.iter().find(|header| header.p_type == PT_GNU_EH_FRAME);
    let base = base as u64;
    Some(Image { base, headers, frame_table: table.map(|table| (base + table.p_vaddr, table.p_memsz)) })
}

impl Image {
    /// Whether one of its segments has the address.
    pub fn contains(&self, address: u64) -> bool {
        self.end_of_segment(address).is_some()
    }

    /// Where the segment that has the address ends.
    pub fn end_of_segment(&self, address: u64) -> Option<u64> {
        self.headers.iter().filter(|header| header.p_type == PT_LOAD).find_map(|header| {
            let start = self.base + header.p_vaddr;
            (start..start + header.p_memsz).contains(&address).then_some(start + header.p_memsz)
        })
    }
}
