//! What the kernel gives a signal handler.

use libc::{c_int, c_void, ucontext_t};

use super::super::{Access, Registers};

/// Where a register of a DWARF number stands in `gregs` (sys/ucontext.h).
pub const IN_CONTEXT: [usize; 17] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16];
/// The same of the flags, of the code segment's selector, and of the last exception.
pub const FLAGS_IN_CONTEXT: usize = 17;
pub const SELECTORS_IN_CONTEXT: usize = 18;
pub const ERROR_IN_CONTEXT: usize = 19;
pub const TRAP_IN_CONTEXT: usize = 20;
pub const ADDRESS_IN_CONTEXT: usize = 22;

/// Exceptions by their numbers (Intel SDM, volume 3, 6.15; what the kernel tells as `REG_TRAPNO`).
pub const DIVIDE_ERROR: u64 = 0;
pub const BREAKPOINT: u64 = 3;
pub const INVALID_OPCODE: u64 = 6;
pub const STACK_SEGMENT: u64 = 12;
pub const GENERAL_PROTECTION: u64 = 13;
/// The one whose error code says what was tried.
pub const PAGE_FAULT: u64 = 14;
pub const FLOATING_POINT: u64 = 16;
pub const ALIGNMENT_CHECK: u64 = 17;
pub const SIMD: u64 = 19;

/// Where a signal handler returns to: `mov $__NR_rt_sigreturn, %rax; syscall`.
pub const SIGNAL_RETURN: [u8; 9] = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
/// In a ucontext, the alternate stack's address and size.
pub const CONTEXT_STACK: usize = 16;
pub const CONTEXT_STACK_SIZE: usize = 32;
/// Offsets in what the kernel pushes for a handler, behind the address that it returns to (struct rt_sigframe): the
/// registers in the ucontext, and the siginfo behind that.
pub const GREGS: u64 = 40;
pub const SIGINFO: u64 = 304;

/// An exception, as the processor tells it to the kernel.
#[derive(Clone, Copy)]
pub struct Trap {
    /// Its number.
    pub number: u64,
    /// Its error code.
    pub error: u64,
    /// The address of the last page fault.
    pub address: u64,
}

impl Trap {
    /// What was tried with the address, by the error code.
    pub fn access(&self) -> Access {
        match self.error {
            _ if self.number != PAGE_FAULT => Access::Unknown,
            error if error & 16 != 0 => Access::Execute,
            error if error & 2 != 0 => Access::Write,
            _ => Access::Read,
        }
    }
}

/// The registers in a signal handler's context.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn registers(context: *const c_void) -> Registers {
    // SAFETY: as promised.
    let gregs = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    let greg = |index: usize| gregs.get(index).copied().unwrap_or(0) as u64;
    Registers { general: IN_CONTEXT.map(greg), flags: greg(FLAGS_IN_CONTEXT) }
}

/// The thread's last exception, as a signal handler's context has it.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn trap(context: *const c_void) -> Trap {
    // SAFETY: as promised.
    let gregs = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    let greg = |index: usize| gregs.get(index).copied().unwrap_or(0) as u64;
    Trap { number: greg(TRAP_IN_CONTEXT), error: greg(ERROR_IN_CONTEXT), address: greg(ADDRESS_IN_CONTEXT) }
}

/// Takes back what a program may have set for itself and handlers are not made for: that the processor checks alignment.
pub fn forget_alignment_check() {
    // SAFETY: only that flag changes (AC, bit 18), and the return from the handler brings it back.
    unsafe { core::arch::asm!("pushfq", "and dword ptr [rsp], ~0x40000", "popfq") };
}

/// Makes the interrupted system call return this.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn set_result(context: *mut c_void, value: i64) {
    // SAFETY: as promised.
    let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    if let Some(result) = registers.get_mut(libc::REG_RAX as usize) {
        *result = value;
    }
}

/// Makes the return from the handler go to that many bytes before where it was called.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn go_back(context: *mut c_void, bytes: i64) {
    // SAFETY: as promised.
    let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    if let Some(pc) = registers.get_mut(libc::REG_RIP as usize) {
        *pc -= bytes;
    }
}

/// Raises a signal, whose action is the default, by an instruction: that ends every process, even one that may not send
/// signals. Returns where no instruction raises it.
pub fn raise_by_instruction(signal: c_int) {
    // SAFETY: the process is to end here.
    unsafe {
        match signal {
            libc::SIGSEGV => core::arch::asm!("mov byte ptr [{}], 0", in(reg) 0usize),
            // Through the stack segment, an address that the processor does not have is a bus error.
            libc::SIGBUS => core::arch::asm!(
                "mov {keep}, rsp", "mov rsp, {wild}", "push rax", "mov rsp, {keep}",
                keep = out(reg) _, wild = in(reg) 1usize << 63,
            ),
            libc::SIGILL => core::arch::asm!("ud2"),
            libc::SIGFPE => {
                core::arch::asm!("div {0:e}", inout(reg) 0u32 => _, inout("eax") 1u32 => _, inout("edx") 0u32 => _)
            }
            libc::SIGTRAP => core::arch::asm!("int3"),
            _ => {}
        }
    }
}

/// Where a register of a DWARF number stands in `user_regs_struct` (sys/user.h).
pub const IN_USER_REGS: [usize; 17] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16];
