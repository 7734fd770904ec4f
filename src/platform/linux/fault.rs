//! What a signal handler is told: the interrupted registers and the siginfo.

use libc::{c_int, c_void, pid_t, siginfo_t, ucontext_t, uid_t};

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

/// The page fault exception, whose error code says what was tried.
pub const PAGE_FAULT: u64 = 14;

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
        self.code > 0 && !matches!(self.signal, libc::SIGABRT | libc::SIGSYS)
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
