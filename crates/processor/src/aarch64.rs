//! arm64.

use super::Registers;

/// Registers by their DWARF numbers (DWARF for the Arm 64-bit Architecture, 4.1), by the names that the system's
/// debugger has for them.
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
/// Number of the program counter, in [`Registers`] and in DWARF.
pub const PROGRAM_COUNTER: usize = 32;

/// Whether a register, by its DWARF number, has the same value after a call as before: x19 to x29 and sp (AAPCS64,
/// 6.1.1).
#[must_use]
pub fn is_kept_by_calls(number: usize) -> bool {
    matches!(number, 19..=29 | 31)
}

/// DWARF number of the column that has the return address.
pub const RETURN_ADDRESS: usize = LINK;
/// Whether a call puts its return address on the stack.
pub const CALLS_PUSH: bool = false;
/// For how many registers a row of call frame information has room: more than functions save.
pub const SAVED_REGISTERS: usize = 28;

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

/// An address of code without the signature that functions compiled with `-mbranch-protection` put into its unused
/// bits. The instruction does nothing on a processor that has no signatures.
#[cfg(target_os = "linux")]
pub fn code_address(pointer: u64) -> u64 {
    let address;
    // SAFETY: `hint #7` is xpaclri, which assemblers may not know by its name. It changes x30 alone, which the compiler
    // is told.
    unsafe {
        core::arch::asm!("mov x30, {0}", "hint #7", "mov {1}, x30", in(reg) pointer, lateout(reg) address, out("x30") _,
            options(nomem, nostack, preserves_flags));
    }
    address
}

/// Whether a call instruction ends just before an address. `read` reads memory, and says how many bytes were there.
pub fn follows_call(read: impl FnOnce(u64, &mut [u8]) -> usize, address: u64) -> bool {
    let Some(before) = address.checked_sub(4).filter(|before| before.is_multiple_of(4)) else { return false };
    let mut code = [0; 4];
    if read(before, &mut code) != code.len() {
        return false;
    }
    let code = u32::from_le_bytes(code);
    // bl; blr; blraaz, blrabz; blraa, blrab
    code >> 26 == 0b10_0101
        || code & 0xffff_fc1f == 0xd63f_0000
        || code & 0xffff_f81f == 0xd63f_081f
        || code & 0xffff_f800 == 0xd73f_0800
}

/// Where the call leads that ends just before an address, if the instruction says so itself: bl.
pub fn call_target(read: impl FnOnce(u64, &mut [u8]) -> usize, address: u64) -> Option<u64> {
    let before = address.checked_sub(4)?;
    let mut code = [0; 4];
    let is_there = read(before, &mut code) == code.len();
    let code = u32::from_le_bytes(code);
    // 26 bits with a sign, in instructions of four bytes each.
    let distance = i64::from((code << 6).cast_signed() >> 4);
    (is_there && code >> 26 == 0b10_0101).then(|| before.wrapping_add_signed(distance))
}

/// The code that a signal handler returns to, `__kernel_rt_sigreturn` in the vDSO: `mov x8, #__NR_rt_sigreturn; svc
/// #0`.
pub const SIGNAL_RETURN: [u8; 8] = [0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4];
/// Distance from the stack pointer with which a handler has returned to the ucontext, in bytes.
pub const CONTEXT_IN_FRAME: u64 = 128;
/// Distance from the ucontext to the siginfo, in bytes.
pub const INFO_FROM_CONTEXT: i64 = -128;
/// Offset of `uc_mcontext` in a ucontext, in bytes: it begins with the address of the fault, and registers come behind
/// that.
pub const MACHINE: u64 = 176;
/// Offset of the registers in a ucontext, in bytes.
pub const REGISTERS: u64 = MACHINE + 8;
/// Offset of the flags (`pstate`) in a ucontext, in bytes: behind 31 registers, the stack pointer and the program
/// counter.
pub const STATE: u64 = REGISTERS + 33 * 8;

/// The registers in the ucontext at an address. `word` reads 8 bytes of memory; `None` where it can't.
pub fn registers_in(mut word: impl FnMut(u64) -> Option<u64>, context: u64) -> Option<Registers> {
    let mut registers = Registers::NONE;
    for (index, register) in registers.general.iter_mut().enumerate() {
        *register = word(context.wrapping_add(REGISTERS + index as u64 * 8))?;
    }
    registers.flags = word(context.wrapping_add(STATE))?;
    Some(registers)
}

/// The return address of a function that has not saved it yet: a call leaves it in the link register.
pub fn link_of(registers: &Registers) -> Option<u64> {
    Some(code_address(registers.get(LINK)))
}

/// How many numbers of 64 bits ptrace(2) returns as registers (`user_regs_struct`, sys/user.h).
pub const USER_REGISTERS: usize = 34;

/// Registers, from what ptrace(2) returns.
pub fn registers_of_user(all: &[u64; USER_REGISTERS]) -> Registers {
    let [general @ .., flags] = *all;
    Registers { general, flags }
}
