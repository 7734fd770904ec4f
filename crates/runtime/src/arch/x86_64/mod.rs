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

/// Where a thread's variables lie from its control block, as far as they are ours or near: in bytes, below and above.
#[cfg(target_os = "linux")]
pub const THREAD_MEMORY: (usize, usize) = (16384, 4096);
/// Whether the first word of a thread's control block is its address.
#[cfg(target_os = "linux")]
pub const THREAD_NAMES_ITSELF: bool = true;
/// What a report says of this processor.
pub const WORDS: Words = Words {
    no_address: "the address is none that x86_64 has",
    made_to_fail: "an instruction that is there to stop the program (ud2 or its like)",
    breakpoint: "a breakpoint instruction (int3)",
};

/// Size of a page.
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

/// Body of a signal handler that is another function, called with the stack aligned as the ABI has it at a function's start. The
/// kernel aligns it; QEMU's emulation of user programs, before its version 8, does not, and the first `movaps` to the stack is a fault.
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
