//! What a signal handler is told: the interrupted registers and the siginfo.

use libc::{c_int, c_void, pid_t, siginfo_t, ucontext_t, uid_t};

use crate::platform::Cause;

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
/// DWARF number of the column that the return address has; here the program counter.
pub const PROGRAM_COUNTER: usize = 16;

/// Where a register of a DWARF number stands in `gregs` (sys/ucontext.h).
pub const IN_CONTEXT: [usize; 17] = [13, 12, 14, 11, 9, 8, 10, 15, 0, 1, 2, 3, 4, 5, 6, 7, 16];
const FLAGS_IN_CONTEXT: usize = 17;
const ERROR_IN_CONTEXT: usize = 19;
const TRAP_IN_CONTEXT: usize = 20;
const ADDRESS_IN_CONTEXT: usize = 22;

/// Exceptions by their numbers (Intel SDM, volume 3, 6.15; what the kernel tells as `REG_TRAPNO`).
const DIVIDE_ERROR: u64 = 0;
const BREAKPOINT: u64 = 3;
const ALIGNMENT_CHECK: u64 = 17;
/// The one whose error code says what was tried.
pub const PAGE_FAULT: u64 = 14;

/// `SYS_SECCOMP` and `SYS_USER_DISPATCH` (asm-generic/siginfo.h): the kernel has not executed a system call.
const CALL_NOT_EXECUTED: core::ops::RangeInclusive<c_int> = 1..=2;
/// `BUS_MCEERR_AO` (asm-generic/siginfo.h): memory has failed somewhere; no instruction has asked for it.
const MEMORY_FAILED_ELSEWHERE: c_int = 5;

/// A thread's registers.
#[derive(Clone, Copy)]
pub struct Registers {
    /// By DWARF number.
    pub general: [u64; 17],
    /// rflags
    pub flags: u64,
}

impl Registers {
    /// All zero.
    pub const NONE: Self = Self { general: [0; 17], flags: 0 };

    /// The register of a DWARF number.
    pub fn get(&self, number: usize) -> u64 {
        self.general.get(number).copied().unwrap_or(0)
    }

    /// Program counter.
    pub fn pc(&self) -> u64 {
        self.get(PROGRAM_COUNTER)
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        self.get(STACK_POINTER)
    }

    /// The return address, where a call leaves it in a register: it is on the stack.
    pub fn link(&self) -> Option<u64> {
        None
    }
}

/// An address of code as it stands on the stack.
pub fn code_address(pointer: u64) -> u64 {
    pointer
}

/// What the processor was about to do with the address of a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Unknown,
    Read,
    Write,
    Execute,
}

/// What a handler is told, in a form that can be kept.
#[derive(Clone, Copy)]
pub struct Fault {
    pub signal: c_int,
    /// `si_code`
    pub code: c_int,
    /// `si_addr`
    pub address: u64,
    /// `si_pid`, of a signal that was sent.
    pub sender: pid_t,
    /// `si_uid`, of a signal that was sent.
    pub user: uid_t,
    /// `si_syscall`, for SIGSYS.
    pub call: c_int,
    pub access: Access,
    /// The thread's last exception, be it this signal's or an earlier one's: the kernel keeps it.
    pub trap: Trap,
    pub registers: Registers,
}

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

impl Fault {
    /// Nothing yet.
    pub const NONE: Self = Self {
        signal: 0,
        code: 0,
        address: 0,
        sender: 0,
        user: 0,
        call: 0,
        access: Access::Unknown,
        trap: Trap { number: 0, error: 0, address: 0 },
        registers: Registers::NONE,
    };

    /// Whether an instruction of the thread raised it, so that it would again; otherwise somebody sent it.
    pub fn is_by_instruction(&self) -> bool {
        // SIGABRT and SIGSYS never are: going on after a forbidden call is possible.
        self.code > 0
            && !matches!(
                (self.signal, self.code),
                (libc::SIGABRT | libc::SIGSYS, _) | (libc::SIGBUS, MEMORY_FAILED_ELSEWHERE)
            )
    }

    /// Whether the kernel raised it for what the thread was doing at that moment. Such a signal is forced: it ends even the
    /// first process of a pid namespace (kernel/signal.c, force_sig_info_to_task).
    pub fn is_forced(&self) -> bool {
        self.is_by_instruction() || self.signal == libc::SIGSYS && CALL_NOT_EXECUTED.contains(&self.code)
    }
}

/// Reads what the kernel gave to a handler.
///
/// # Safety
/// The pointers are those that the kernel gave to a handler with SA_SIGINFO.
pub unsafe fn fault(signal: c_int, info: *const siginfo_t, context: *const c_void) -> Fault {
    // A program that has the processor check alignment leaves that on for its handlers, and we were not made for it.
    // SAFETY: only that flag changes (AC, bit 18), and the return from the handler brings it back.
    unsafe { core::arch::asm!("pushfq", "and dword ptr [rsp], ~0x40000", "popfq") };
    // SAFETY: as promised. The fields of a siginfo overlap, and all lie within it; which of them have a meaning is
    // decided by code and signal.
    unsafe {
        let gregs = &(*context.cast::<ucontext_t>()).uc_mcontext.gregs;
        let greg = |index: usize| gregs.get(index).copied().unwrap_or(0) as u64;
        let trap =
            Trap { number: greg(TRAP_IN_CONTEXT), error: greg(ERROR_IN_CONTEXT), address: greg(ADDRESS_IN_CONTEXT) };
        let is_access = matches!(signal, libc::SIGSEGV | libc::SIGBUS) && (*info).si_code > 0;
        Fault {
            signal,
            code: (*info).si_code,
            address: (*info).si_addr() as u64,
            sender: (*info).si_pid(),
            user: (*info).si_uid(),
            // struct _sigsys: call address, then the number.
            call: info.byte_add(24).cast::<c_int>().read(),
            access: if is_access { trap.access() } else { Access::Unknown },
            trap,
            registers: registers(context),
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

/// Whether the instruction, executed again in the same state, is sure to raise the same signal now. `false` where that can't be
/// told: memory may have become accessible, and what an instruction reads may have changed.
pub fn would_fault_again(fault: &Fault) -> bool {
    match (fault.signal, fault.trap.number) {
        (libc::SIGSEGV | libc::SIGBUS, PAGE_FAULT) => !is_accessible(fault.address, fault.access),
        // The handler could have cleared the flag that asks for the check.
        (libc::SIGBUS, ALIGNMENT_CHECK) => true,
        (libc::SIGFPE, DIVIDE_ERROR) => super::cause(fault) == Cause::DividedByZero,
        // What the floating-point units hold is not compared, and a trap comes behind its instruction.
        (libc::SIGFPE | libc::SIGTRAP, _) => false,
        // An opcode stays what it is, and so does an address in unchanged registers.
        _ => fault.is_by_instruction(),
    }
}

/// Whether the kernel lets this thread do this at an address now. Nothing is written there.
fn is_accessible(address: u64, access: Access) -> bool {
    let page = address & !(super::PAGE as u64 - 1);
    // asm-generic/mman-common.h, since Linux 5.14.
    const MADV_POPULATE_READ: c_int = 22;
    const MADV_POPULATE_WRITE: c_int = 23;
    let advice = if access == Access::Write { MADV_POPULATE_WRITE } else { MADV_POPULATE_READ };
    // SAFETY: populating gives a page the memory that an access would give it, and changes nothing else.
    let populated = unsafe { libc::syscall(libc::SYS_madvise, page, super::PAGE, advice) } == 0;
    match super::errno() {
        // Whoever may read may not execute, mostly.
        _ if populated => access != Access::Execute || super::rights_allow(address, access) != Some(false),
        // Nothing is mapped, or nothing is behind it.
        libc::ENOMEM | libc::EFAULT => false,
        // No right to do so, memory of a device, or an older kernel.
        _ => super::rights_allow(address, access) != Some(false),
    }
}

/// Makes the return from the handler a new execution of what raised the signal. `false` where that is impossible, or would
/// not be sure to raise it.
///
/// # Safety
/// `context` is what the kernel gave to the running handler, with this fault.
pub unsafe fn execute_again(fault: &Fault, context: *mut c_void) -> bool {
    let mut before = [0; 2];
    let pc = fault.registers.pc();
    if super::read_memory(super::pid(), pc.wrapping_sub(2), &mut before) != before.len() {
        before = [0; 2];
    }
    let back = match (fault.signal, fault.trap.number, before) {
        // A breakpoint's address is behind it: int3, int 3.
        (libc::SIGTRAP, BREAKPOINT, [_, 0xcc]) => 1,
        (libc::SIGTRAP, BREAKPOINT, [0xcd, 0x03]) => 2,
        // syscall, int 0x80: the kernel has put the number back (kernel/seccomp.c, syscall_rollback).
        (libc::SIGSYS, _, [0x0f, 0x05] | [0xcd, 0x80]) if CALL_NOT_EXECUTED.contains(&fault.code) => 2,
        _ if would_fault_again(fault) => 0,
        _ => return false,
    };
    // SAFETY: as promised.
    let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    if let Some(pc) = registers.get_mut(libc::REG_RIP as usize) {
        *pc -= back;
    }
    true
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

/// Lets a system call that seccomp has answered with SIGSYS fail with ENOSYS.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn fail_forbidden_call(context: *mut c_void) {
    // SAFETY: as promised.
    let registers = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    if let Some(result) = registers.get_mut(libc::REG_RAX as usize) {
        *result = -i64::from(libc::ENOSYS);
    }
}

/// Takes a signal out of the mask that the interrupted code gets back.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn unblock_on_return(context: *mut c_void, signal: c_int) {
    // SAFETY: as promised; the kernel's set is the first eight bytes of uc_sigmask.
    unsafe { *(&raw mut (*context.cast::<ucontext_t>()).uc_sigmask).cast::<u64>() &= !(1 << (signal - 1)) }
}

/// Where a register of a DWARF number stands in `user_regs_struct` (sys/user.h).
pub const IN_USER_REGS: [usize; 17] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16];
