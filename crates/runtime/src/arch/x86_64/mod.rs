//! x86_64.

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
mod number;
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
use instruction::{Instruction, executes, is_canonical};
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

/// Memory around a thread's control block that holds thread-local variables which we need, errno among them: bytes
/// below and above its address. Here variables are below it, and libc's own data of the thread above (ELF Handling For
/// Thread-Local Storage, variant II).
#[cfg(target_os = "linux")]
pub const THREAD_MEMORY: (usize, usize) = (16384, 4096);
/// Whether the first 8 bytes of a thread's control block are its own address.
#[cfg(target_os = "linux")]
pub const THREAD_NAMES_ITSELF: bool = true;
/// The sentences of a report that are this processor's.
pub const WORDS: Words = Words {
    no_address: "the address is none that x86_64 has",
    made_to_fail: "an instruction that is there to stop the program (ud2 or its like)",
    breakpoint: "a breakpoint instruction (int3)",
};

/// Size of a page, in bytes.
#[cfg(target_os = "linux")]
pub fn page_size() -> usize {
    4096
}

/// Adds to a counter.
#[inline(always)]
pub fn add<const BY: u64>(counter: &AtomicU64) {
    counter.fetch_add(BY, Relaxed);
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
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// Body of a signal handler that calls another function, with the stack aligned as a function may expect it (System V
/// ABI, x86_64, 3.2.2). The kernel aligns it. QEMU's emulation of user programs, before its version 8, does not, and
/// the first `movaps` to the stack faults.
macro_rules! signal_entry {
    ($to:path) => {
        ::core::arch::naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "and rsp, -16",
            "call {to}",
            "leave",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_endproc",
            to = sym $to,
        )
    };
}
pub(crate) use signal_entry;
