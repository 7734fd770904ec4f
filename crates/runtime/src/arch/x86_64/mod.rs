//! x86_64.

mod calls;
mod list;
pub use calls::follows_call;
#[cfg(target_os = "linux")]
pub(crate) use list::caller_hook;
pub(crate) use list::list_hook;
#[cfg(target_os = "linux")]
pub(crate) use list::passing_hook;

#[cfg(target_os = "linux")]
mod asm;
#[cfg(target_os = "linux")]
mod context;
#[cfg(target_os = "linux")]
mod instruction;
#[cfg(target_os = "linux")]
mod number;
#[cfg(target_os = "linux")]
pub use asm::*;
#[cfg(target_os = "linux")]
pub use context::*;
#[cfg(target_os = "linux")]
use instruction::{Instruction, executes, is_canonical};

use core::ffi::c_void;

use super::{Registers, Words};

/// Registers by their DWARF numbers (System V ABI, x86_64): rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
pub const REGISTER_NAMES: [&str; 17] = [
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
];
/// Name of [`Registers::flags`].
pub const FLAGS_NAME: &str = "rflags";
/// DWARF number of the frame pointer.
pub const FRAME_POINTER: usize = 6;
/// DWARF number of the stack pointer.
pub const STACK_POINTER: usize = 7;
/// Number of the program counter, here as in DWARF.
pub const PROGRAM_COUNTER: usize = 16;

/// DWARF number of the column that has the return address.
#[cfg(target_os = "linux")]
pub const RETURN_ADDRESS: usize = PROGRAM_COUNTER;

/// Whether a call puts its return address on the stack.
#[cfg(target_os = "linux")]
pub const CALLS_PUSH: bool = true;
/// Where a thread's variables lie from its control block, as far as they are ours or near: in bytes, below and above.
#[cfg(target_os = "linux")]
pub const THREAD_MEMORY: (usize, usize) = (16384, 4096);
/// Whether the first word of a thread's control block is its address.
#[cfg(target_os = "linux")]
pub const THREAD_NAMES_ITSELF: bool = true;
/// Registers that a function may have saved, and more.
#[cfg(target_os = "linux")]
pub const SAVED_REGISTERS: usize = 20;

/// What a report says of this processor.
pub const WORDS: Words = Words {
    no_address: "the address is none that x86_64 has",
    made_to_fail: "an instruction that is there to stop the program (ud2)",
    breakpoint: "a breakpoint instruction (int3)",
};

/// Size of a page.
#[cfg(target_os = "linux")]
pub fn page_size() -> usize {
    4096
}

impl Registers {
    /// The return address, where a call leaves it in a register: it is on the stack.
    pub fn link(&self) -> Option<u64> {
        None
    }
}

/// An address of code as it stands on the stack.
pub fn code_address(pointer: u64) -> u64 {
    pointer
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
