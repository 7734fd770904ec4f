//! Memory for the control block of a thread that has lost its own: where it is unmapped, or the processor no longer knows where it is,
//! our own code can't reach errno.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering::Relaxed};

use libc::{c_int, siginfo_t};

use crate::arch;

const SIZE: usize = arch::THREAD_MEMORY.0 + arch::THREAD_MEMORY.1;

/// A control block and what lies around one, all zeros: where threads of libc's have errno, there is some memory.
#[repr(align(64))]
struct Memory(UnsafeCell<[u8; SIZE]>);

// SAFETY: only used as thread-local memory. Two threads that have lost theirs share it, and nothing there is more than a number.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([0; SIZE]));

/// The thread that uses it, and where its own block should be.
static BORROWER: AtomicI32 = AtomicI32::new(0);
static ORIGINAL: AtomicUsize = AtomicUsize::new(0);

/// Whether a signal is the kernel's word on an address that can't be used.
///
/// # Safety
/// `info` is what the kernel gave to a handler of this signal.
pub unsafe fn is_bad_access(signal: c_int, info: *const siginfo_t) -> bool {
    // SAFETY: the caller promises the kernel's siginfo.
    matches!(signal, libc::SIGSEGV | libc::SIGBUS) && unsafe { (*info).si_code } > 0
}

/// If a bad access was one to the calling thread's control block or errno, lends the thread other memory for them, and returns true.
/// Until [`return_thread_memory`].
///
/// # Safety
/// `info` is what the kernel gave to a handler, for which [`is_bad_access`] holds.
pub unsafe fn lend_thread_memory(info: *const siginfo_t) -> bool {
    if super::is_forbidden(arch::THREAD_POINTER) {
        return false;
    }
    let (below, _) = arch::THREAD_MEMORY;
    let (original, lent) = (arch::thread_pointer_by_kernel(), MEMORY.0.get().addr() + below);
    // SAFETY: the caller promises the kernel's siginfo.
    let address = unsafe { (*info).si_addr() }.addr();
    if original == lent || address.wrapping_sub(original.wrapping_sub(below)) >= SIZE {
        return false;
    }
    if BORROWER.compare_exchange(0, super::tid(), Relaxed, Relaxed).is_ok() {
        ORIGINAL.store(original, Relaxed);
    }
    if arch::THREAD_NAMES_ITSELF {
        // SAFETY: in the memory above, and aligned; all threads write the same.
        unsafe { MEMORY.0.get().byte_add(below).cast::<usize>().write(lent) };
    }
    // SAFETY: there is memory for a control block, and nothing can be lost of one that can't be read.
    unsafe { arch::set_thread_pointer(lent) }
}

/// Makes the calling thread's control block what it was when it crashed, if it has borrowed another.
pub fn return_thread_memory() {
    if BORROWER.load(Relaxed) != 0 && BORROWER.compare_exchange(super::tid(), 0, Relaxed, Relaxed).is_ok() {
        // SAFETY: as it was. Nothing of ours uses it after that.
        unsafe { arch::set_thread_pointer(ORIGINAL.load(Relaxed)) };
    }
}
