//! Memory for the control block of a thread that has lost its own: where it is unmapped, or the processor no longer knows where it is,
//! our own code can't reach errno.

use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

use libc::{c_long, siginfo_t};

use super::is_forbidden;
use crate::arch;

/// Bytes of a control block and of what lies around one: where threads of libc's have errno, there is some memory.
const SIZE: usize = arch::THREAD_MEMORY.0 + arch::THREAD_MEMORY.1;

/// The thread that uses such memory, and where its own block should be.
static BORROWER: AtomicI32 = AtomicI32::new(0);
static ORIGINAL: AtomicUsize = AtomicUsize::new(0);

/// If a bad access was one to the calling thread's control block or errno, lends the thread other memory for them, and returns true.
/// Until [`return_thread_memory`].
///
/// # Safety
/// `info` is what the kernel gave to a handler, for which [`is_bad_access`](super::is_bad_access) holds.
pub unsafe fn lend_thread_memory(info: *const siginfo_t) -> bool {
    if [arch::THREAD_POINTER, libc::SYS_mmap].into_iter().any(is_forbidden) || BORROWER.load(Relaxed) == super::tid() {
        return false;
    }
    let (below, _) = arch::THREAD_MEMORY;
    let original = arch::thread_pointer_by_kernel();
    // SAFETY: the caller promises the kernel's siginfo.
    let address = unsafe { (*info).si_addr() }.addr();
    if address.wrapping_sub(original.wrapping_sub(below)) >= SIZE {
        return false;
    }
    let (rights, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // Not by a function that keeps the call's error in errno. It stays mapped: the process is about to end.
    // SAFETY: new memory.
    let memory = unsafe { arch::system_call(libc::SYS_mmap, [0, SIZE as c_long, rights.into(), kind.into(), -1, 0]) };
    if memory <= 0 {
        return false;
    }
    let lent = memory.cast_unsigned() as usize + below;
    if BORROWER.compare_exchange(0, super::tid(), Relaxed, Relaxed).is_ok() {
        ORIGINAL.store(original, Relaxed);
    }
    // SAFETY: it lies in the memory that was mapped, aligned. There is memory for a control block, and nothing can be lost of one that
    // can't be read.
    unsafe {
        if arch::THREAD_NAMES_ITSELF {
            ptr::with_exposed_provenance_mut::<usize>(lent).write(lent);
        }
        arch::set_thread_pointer(lent)
    }
}

/// Makes the calling thread's control block what it was when it crashed, if it has borrowed another.
pub fn return_thread_memory() {
    if BORROWER.load(Relaxed) != 0 && BORROWER.compare_exchange(super::tid(), 0, Relaxed, Relaxed).is_ok() {
        // SAFETY: as it was. Nothing of ours uses it after that.
        unsafe { arch::set_thread_pointer(ORIGINAL.load(Relaxed)) };
    }
}
