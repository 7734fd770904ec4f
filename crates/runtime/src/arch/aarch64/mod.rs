//! arm64.

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
pub use asm::*;
#[cfg(target_os = "linux")]
pub use context::*;
#[cfg(target_os = "linux")]
use instruction::{SYSTEM_CALL, accesses, address, instruction_at, is_breakpoint, is_canonical, is_made_to_fail};

use core::ffi::c_void;

use super::{Registers, Words};

/// Registers by their DWARF numbers (DWARF for the Arm 64-bit Architecture, 4.1), by the names that the system's debugger
/// has for them.
pub const REGISTER_NAMES: [&str; 33] = [
    "x0",
    "x1",
    "x2",
    "x3",
    "x4",
    "x5",
    "x6",
    "x7",
    "x8",
    "x9",
    "x10",
    "x11",
    "x12",
    "x13",
    "x14",
    "x15",
    "x16",
    "x17",
    "x18",
    "x19",
    "x20",
    "x21",
    "x22",
    "x23",
    "x24",
    "x25",
    "x26",
    "x27",
    "x28",
    FRAME_POINTER_NAME,
    LINK_NAME,
    "sp",
    "pc",
];
const FRAME_POINTER_NAME: &str = if cfg!(target_os = "macos") { "fp" } else { "x29" };
const LINK_NAME: &str = if cfg!(target_os = "macos") { "lr" } else { "x30" };
/// Name of [`Registers::flags`].
pub const FLAGS_NAME: &str = "cpsr";
/// DWARF number of the frame pointer.
pub const FRAME_POINTER: usize = 29;
/// DWARF number of the register that a call leaves its return address in.
pub const LINK: usize = 30;
/// DWARF number of the stack pointer.
pub const STACK_POINTER: usize = 31;
/// Number of the program counter, here as in DWARF.
pub const PROGRAM_COUNTER: usize = 32;

/// DWARF number of the column that has the return address.
#[cfg(target_os = "linux")]
pub const RETURN_ADDRESS: usize = LINK;

impl Registers {
    /// The return address, where a call leaves it in a register.
    pub fn link(&self) -> Option<u64> {
        Some(code_address(self.get(LINK)))
    }
}

/// An address of code without the signature that arm64e, and so all of the system's libraries, puts into a pointer's
/// unused bits.
#[cfg(target_os = "macos")]
pub fn code_address(pointer: u64) -> u64 {
    pointer & 0x7fff_ffff_ffff
}

/// An address of code without the signature that functions compiled with `-mbranch-protection` put into its unused bits. The
/// instruction does nothing on a processor that has no signatures.
#[cfg(target_os = "linux")]
pub fn code_address(pointer: u64) -> u64 {
    let address;
    // SAFETY: xpaclri, by its number among the hints, since assemblers may not know it; only its register changes.
    unsafe {
        core::arch::asm!("mov x30, {0}", "hint #7", "mov {1}, x30", in(reg) pointer, lateout(reg) address, out("x30") _,
            options(nomem, nostack, preserves_flags));
    }
    address
}

/// Size of a page: 4, 16 or 64 KiB, by the kernel.
#[cfg(target_os = "linux")]
pub fn page_size() -> usize {
    // SAFETY: getauxval reads the auxiliary vector and has no preconditions.
    unsafe { libc::getauxval(libc::AT_PAGESZ) as usize }
}

/// Whether a call puts its return address on the stack.
#[cfg(target_os = "linux")]
pub const CALLS_PUSH: bool = false;
/// Where a thread's variables lie from its control block, as far as they are ours or near: in bytes, below and above.
#[cfg(target_os = "linux")]
pub const THREAD_MEMORY: (usize, usize) = (4096, 16384);
/// Whether the first word of a thread's control block is its address.
#[cfg(target_os = "linux")]
pub const THREAD_NAMES_ITSELF: bool = false;
/// Registers that a function may have saved, and more.
#[cfg(target_os = "linux")]
pub const SAVED_REGISTERS: usize = 28;

/// What a report says of this processor.
pub const WORDS: Words = Words {
    no_address: "the address is none that arm64 has",
    made_to_fail: "an instruction that is there to stop the program (udf)",
    breakpoint: "a breakpoint instruction (brk)",
};

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

/// Body of a signal handler that is another function. The processor itself insists on an aligned stack.
macro_rules! signal_entry {
    ($to:path) => {
        ::core::arch::naked_asm!("b {to}", to = sym $to)
    };
}
pub(crate) use signal_entry;
