//! x86_64.

use super::Registers;

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
/// Number of the program counter, in [`Registers`] and in DWARF.
pub const PROGRAM_COUNTER: usize = 16;

/// Whether a register, by its DWARF number, has the same value after a call as before: rbx, rbp, rsp, r12 to r15
/// (System V ABI, x86_64, 3.2.1).
#[must_use]
pub fn is_kept_by_calls(number: usize) -> bool {
    matches!(number, 3 | 6 | 7 | 12..=15)
}

/// DWARF number of the column that has the return address.
pub const RETURN_ADDRESS: usize = PROGRAM_COUNTER;

/// Whether a call puts its return address on the stack.
pub const CALLS_PUSH: bool = true;
/// For how many registers a row of call frame information has room: more than functions save.
pub const SAVED_REGISTERS: usize = 20;

impl Registers {
    /// The return address, where a call leaves it in a register. Here it is on the stack: `None`.
    pub fn link(&self) -> Option<u64> {
        None
    }
}

/// An address of code, from a pointer on the stack. On arm64 such pointers may be signed; here they are the addresses.
pub fn code_address(pointer: u64) -> u64 {
    pointer
}

/// Whether a call instruction ends just before an address. `read` reads memory, and says how many bytes were there.
pub fn follows_call(read: impl FnOnce(u64, &mut [u8]) -> usize, address: u64) -> bool {
    let mut code = [0; 7];
    // At the start of a mapping there may be nothing before it.
    let start = address.wrapping_sub(7);
    if read(start, &mut code) != 7 {
        return false;
    }
    // call *reg, call *disp8(reg), call *disp8(reg,reg), call *disp32(reg), call *disp32(reg,reg): opcode ff /2
    let indirect = |opcode: u8, modrm: u8| opcode == 0xff && modrm >> 3 & 7 == 2;
    let [a, b, c, d, e, f, g] = code;
    c == 0xe8 || indirect(f, g) || indirect(e, f) || indirect(d, e) || indirect(b, c) || indirect(a, b)
}

/// Where the call leads that ends just before an address, if the instruction says so itself: call rel32.
pub fn call_target(read: impl FnOnce(u64, &mut [u8]) -> usize, address: u64) -> Option<u64> {
    let mut code = [0; 5];
    let is_there = read(address.wrapping_sub(5), &mut code) == code.len();
    let [opcode, distance @ ..] = code;
    let distance = i64::from(i32::from_le_bytes(distance));
    (is_there && opcode == 0xe8).then(|| address.wrapping_add_signed(distance))
}

/// The index in `gregs` (sys/ucontext.h) of the register with each DWARF number.
pub const IN_CONTEXT: [usize; 17] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16];
/// The index in `gregs` of the flags.
pub const FLAGS_IN_CONTEXT: usize = 17;

/// Offset of the registers (`gregs`) in a ucontext, in bytes.
pub const GREGS: u64 = 40;
/// Size of the kernel's ucontext, in bytes: in what it pushes for a handler (`struct rt_sigframe`), the siginfo comes
/// behind it.
pub const SIGINFO: u64 = 304;

/// The code that a signal handler returns to: `mov $__NR_rt_sigreturn, %rax; syscall`.
pub const SIGNAL_RETURN: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
/// Distance from the stack pointer with which a handler has returned to the ucontext, in bytes.
pub const CONTEXT_IN_FRAME: u64 = 0;
/// Distance from the ucontext to the siginfo, in bytes.
pub const INFO_FROM_CONTEXT: i64 = SIGINFO.cast_signed();

/// The registers in the ucontext at an address. `word` reads 8 bytes of memory; `None` where it can't.
pub fn registers_in(mut word: impl FnMut(u64) -> Option<u64>, context: u64) -> Option<Registers> {
    let mut registers = Registers::NONE;
    for (register, index) in registers.general.iter_mut().zip(IN_CONTEXT) {
        *register = word(context.wrapping_add(GREGS + index as u64 * 8))?;
    }
    registers.flags = word(context.wrapping_add(GREGS + FLAGS_IN_CONTEXT as u64 * 8))?;
    Some(registers)
}

/// The return address of a function that has not saved it yet, where a call leaves it in a register. Here it is on the
/// stack: `None`.
pub fn link_of(_registers: &Registers) -> Option<u64> {
    None
}

/// How many numbers of 64 bits ptrace(2) returns as registers (`user_regs_struct`, sys/user.h).
pub const USER_REGISTERS: usize = 27;

/// Registers, from what ptrace(2) returns.
pub fn registers_of_user(all: &[u64; USER_REGISTERS]) -> Registers {
    const IN_USER_REGS: [usize; 17] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16];
    let get = |index: usize| all.get(index).copied().unwrap_or(0);
    Registers { general: IN_USER_REGS.map(get), flags: get(18) }
}
