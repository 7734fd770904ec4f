//! Memory of the program that a function only hands to the kernel. For a bad address the kernel returns EFAULT. So a hook in front of
//! such a function must not read the memory without having asked the kernel.

use libc::{c_char, c_long};

use super::memory::PAGE;
use super::sharing::is_filtered;
use crate::arch;

/// Reads memory of this process that may not be there, page by page; how many bytes could be read.
///
/// Unlike [`super::read_memory`], this does not call process_vm_readv(2), which a filter that the process was started with may kill for. So it is
/// for a process that goes on.
pub fn read_here(address: u64, bytes: &mut [u8]) -> usize {
    if is_filtered() {
        return super::read_memory(super::pid(), address, bytes);
    }
    let mut memory = ProgramMemory::new();
    let mut done = 0;
    while let Some(rest) = bytes.get_mut(done..)
        && !rest.is_empty()
    {
        let at = (address as usize).wrapping_add(done);
        let length = rest.len().min(PAGE - at % PAGE);
        if !memory.is_readable(at) {
            break;
        }
        // SAFETY: the page can be read, and `length` ends where it or `rest` does.
        unsafe { core::ptr::copy_nonoverlapping(core::ptr::with_exposed_provenance(at), rest.as_mut_ptr(), length) };
        done += length;
    }
    done
}

/// Reads the program's memory where the kernel says that it can be read; asks once for each page.
pub struct ProgramMemory {
    /// The last page that can be read; 0 for none yet.
    page: usize,
}

impl ProgramMemory {
    pub const fn new() -> Self {
        Self { page: 0 }
    }

    /// The pointer at an address; `None` where that can't be read.
    pub fn pointer(&mut self, address: *const *const c_char) -> Option<*const c_char> {
        // SAFETY: all its bytes can be read.
        self.is_whole(address).then(|| unsafe { address.read_unaligned() })
    }

    /// The number at an address; `None` where that can't be read.
    pub fn number(&mut self, address: *const u64) -> Option<u64> {
        // SAFETY: all its bytes can be read.
        self.is_whole(address).then(|| unsafe { address.read_unaligned() })
    }

    /// Whether all bytes of a value can be read, which is no larger than a page.
    fn is_whole<T>(&mut self, address: *const T) -> bool {
        self.is_readable(address.addr()) && self.is_readable(address.addr().wrapping_add(size_of::<T>() - 1))
    }

    /// Whether a string begins so; `None` where that can't be read. Nothing behind a byte that differs, such as its end, is
    /// read.
    pub fn starts_with(&mut self, string: *const c_char, prefix: &[u8]) -> Option<bool> {
        for (index, &byte) in prefix.iter().enumerate() {
            // A character has a sign on some processors only.
            let address = string.cast::<u8>().wrapping_add(index);
            if !self.is_readable(address.addr()) {
                return None;
            }
            // SAFETY: it can be read.
            if unsafe { address.read() } != byte {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether the page of an address can be read.
    pub fn is_readable(&mut self, address: usize) -> bool {
        /// FUTEX_CMP_REQUEUE of futex(2) compares the number at an address with this one, and then wakes 0 threads and moves 0 others: so
        /// it reads the number and changes nothing. (A FUTEX_WAIT for no time could be given a wake-up that is another's.) Filters allow
        /// futex(2) to every libc, and Valgrind has nothing to say about it.
        const COMPARED: c_long = 0;
        let page = address & !(PAGE - 1);
        // Nobody has anything there.
        if page == 0 {
            return false;
        }
        if page == self.page {
            return true;
        }
        // Under a filter of the program's, no call is made that libc would not make.
        if is_filtered() {
            return true;
        }
        let requeue = c_long::from(libc::FUTEX_CMP_REQUEUE | libc::FUTEX_PRIVATE_FLAG);
        let number = page as c_long;
        let arguments = [number, requeue, 0, 0, number, COMPARED];
        // SAFETY: nothing is changed, and the kernel checks the address.
        let is_readable = unsafe { arch::system_call(libc::SYS_futex, arguments) } != -c_long::from(libc::EFAULT);
        if is_readable {
            self.page = page;
        }
        is_readable
    }
}
