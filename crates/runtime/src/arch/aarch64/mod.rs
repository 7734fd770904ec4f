//! arm64.

mod list;
#[cfg(target_os = "linux")]
pub(crate) use list::caller_hook;
pub(crate) use list::list_hook;
#[cfg(target_os = "linux")]
pub(crate) use list::passing_hook;
#[cfg(all(target_os = "linux", has_versions))]
pub(crate) use list::versioned_hook;

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod context;
#[cfg(target_os = "linux")]
mod delivery;
#[cfg(target_os = "linux")]
mod freestanding;
#[cfg(target_os = "linux")]
mod instruction;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod special;
#[cfg(target_os = "linux")]
mod thread;
#[cfg(target_os = "linux")]
pub use calls::*;
#[cfg(target_os = "linux")]
pub use context::*;
#[cfg(target_os = "linux")]
pub use delivery::*;
#[cfg(target_os = "linux")]
use instruction::{SYSTEM_CALL, accesses, address, instruction_at, is_breakpoint, is_canonical, is_made_to_fail};
#[cfg(target_os = "linux")]
pub use process::*;
#[cfg(target_os = "linux")]
pub use special::*;
#[cfg(target_os = "linux")]
pub use thread::*;

use core::ffi::c_void;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use super::Words;

/// Size of a page, in bytes: 4, 16 or 64 KiB, as the kernel was built.
#[cfg(target_os = "linux")]
pub fn page_size() -> usize {
    // SAFETY: getauxval reads the auxiliary vector and has no preconditions.
    unsafe { libc::getauxval(libc::AT_PAGESZ) as usize }
}

/// Memory around a thread's control block that holds thread-local variables which we need, errno among them: bytes
/// below and above its address. Here variables are above it, and libc's own data of the thread below (ELF Handling For
/// Thread-Local Storage, variant I).
#[cfg(target_os = "linux")]
pub const THREAD_MEMORY: (usize, usize) = (4096, 16384);
/// Whether the first 8 bytes of a thread's control block are its own address.
#[cfg(target_os = "linux")]
pub const THREAD_NAMES_ITSELF: bool = false;
/// The sentences of a report that are this processor's.
pub const WORDS: Words = Words {
    no_address: "the address is none that arm64 has",
    made_to_fail: "an instruction that is there to stop the program (udf)",
    breakpoint: "a breakpoint instruction (brk)",
};

/// Adds to a counter. If the target is not known to have LSE's atomic instructions, the compiler would call a function
/// that asks the processor first. The four instructions that every processor has are faster, and hooks are called for
/// each request.
#[inline(always)]
pub fn add<const BY: u64>(counter: &AtomicU64) {
    if cfg!(target_feature = "lse") {
        counter.fetch_add(BY, Relaxed);
        return;
    }
    // SAFETY: reads and writes this counter and no other memory, atomically, as all that touches it does.
    unsafe {
        core::arch::asm!(
            "2:",
            "ldxr {sum}, [{counter}]",
            "add {sum}, {sum}, #{by}",
            "stxr {failed:w}, {sum}, [{counter}]",
            "cbnz {failed:w}, 2b",
            counter = in(reg) counter.as_ptr(),
            sum = out(reg) _,
            failed = out(reg) _,
            by = const BY,
            options(nostack, preserves_flags),
        );
    }
}

/// Runs a function on another stack, of which `top` is the upper end.
///
/// # Safety
/// `top` is the 16-byte aligned upper end of memory that is used for nothing else and suffices for the function.
#[unsafe(naked)]
pub unsafe extern "C" fn call_on_stack(
    top: *mut u8,
    function: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset w29, -16",
        ".cfi_offset w30, -8",
        "mov x29, sp",
        ".cfi_def_cfa w29, 16",
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa sp, 0",
        ".cfi_restore w29",
        ".cfi_restore w30",
        "ret",
        ".cfi_endproc",
    )
}

/// Body of a signal handler that jumps to another function. The stack is aligned: the processor faults on any other
/// stack pointer.
macro_rules! signal_entry {
    ($to:path) => {
        ::core::arch::naked_asm!("b {to}", to = sym $to)
    };
}
pub(crate) use signal_entry;
