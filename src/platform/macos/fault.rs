//! What a signal handler is told: the interrupted registers and the siginfo.
//!
//! `si_code` has other numbers here than on Linux, and some of its values say other things than they should. What
//! [`fault`] makes of them are Linux's numbers, which the words of a report are made from.

use libc::{c_int, c_void, pid_t, siginfo_t, uid_t};

#[cfg(target_arch = "aarch64")]
mod layout {
    /// Words of `__darwin_arm_thread_state64`: x0 to x28, fp, lr, sp, pc.
    pub const REGISTERS: usize = 33;
    /// Which of them is which: as they stand.
    pub const IN_CONTEXT: [usize; REGISTERS] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
        30, 31, 32,
    ];
    pub const FRAME_POINTER: usize = 29;
    pub const LINK: Option<usize> = Some(30);
    pub const STACK_POINTER: usize = 31;
    pub const PROGRAM_COUNTER: usize = 32;
}

#[cfg(target_arch = "x86_64")]
mod layout {
    /// By DWARF numbers: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip.
    pub const REGISTERS: usize = 17;
    /// Where they stand in `__darwin_x86_thread_state64`.
    pub const IN_CONTEXT: [usize; REGISTERS] = [0, 3, 2, 1, 5, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    pub const FRAME_POINTER: usize = 6;
    pub const LINK: Option<usize> = None;
    pub const STACK_POINTER: usize = 7;
    pub const PROGRAM_COUNTER: usize = 16;
}

/// Number of the frame pointer.
pub const FRAME_POINTER: usize = layout::FRAME_POINTER;

/// `ucontext_t` (sys/_types/_ucontext.h), up to what is needed.
#[repr(C)]
struct Context {
    onstack: c_int,
    sigmask: u32,
    stack: [u64; 3],
    link: u64,
    mcsize: u64,
    mcontext: *const MachineContext,
}

/// `mcontext_t` (mach/arm/_structs.h, mach/i386/_structs.h), up to what is needed.
#[repr(C)]
struct MachineContext {
    exception: [u64; 2],
    registers: [u64; layout::REGISTERS],
}

/// A thread's registers.
#[derive(Clone, Copy)]
pub struct Registers {
    pub general: [u64; layout::REGISTERS],
}

impl Registers {
    /// All zero.
    pub const NONE: Self = Self { general: [0; layout::REGISTERS] };

    /// The register of a number.
    pub fn get(&self, number: usize) -> u64 {
        self.general.get(number).copied().unwrap_or(0)
    }

    /// Program counter.
    pub fn pc(&self) -> u64 {
        code_address(self.get(layout::PROGRAM_COUNTER))
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        self.get(layout::STACK_POINTER)
    }

    /// The return address, where a call leaves it in a register.
    pub fn link(&self) -> Option<u64> {
        layout::LINK.map(|number| code_address(self.get(number)))
    }
}

/// An address of code without the signature that arm64e, and so all of the system's libraries, puts into a pointer's
/// unused bits.
pub fn code_address(pointer: u64) -> u64 {
    pointer & 0x7fff_ffff_ffff
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
    /// `si_code`, by Linux's number.
    pub code: c_int,
    /// `si_addr`
    pub address: u64,
    /// `si_pid`, of a signal that was sent.
    pub sender: pid_t,
    /// `si_uid`, of a signal that was sent.
    pub user: uid_t,
    /// A forbidden system call's number: never told.
    pub call: c_int,
    pub access: Access,
    pub registers: Registers,
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
        registers: Registers::NONE,
    };

    /// Whether an instruction of the thread raised it, so that it would again; otherwise somebody sent it.
    pub fn is_by_instruction(&self) -> bool {
        self.code > 0 && !matches!(self.signal, libc::SIGABRT | libc::SIGSYS)
    }
}

/// Reads what the kernel gave to a handler.
///
/// # Safety
/// The pointers are those that the kernel gave to a handler with SA_SIGINFO.
pub unsafe fn fault(signal: c_int, info: *const siginfo_t, context: *const c_void) -> Fault {
    // SAFETY: as promised.
    let (code, address, sender, user, [first, second]) = unsafe {
        let exception = (*(*context.cast::<Context>()).mcontext).exception;
        ((*info).si_code, (*info).si_addr as u64, (*info).si_pid, (*info).si_uid, exception)
    };
    let (access, is_general_protection) = tried(first, second);
    let code = linux_code(signal, code, is_general_protection);
    Fault {
        signal,
        code,
        address,
        // abort and raise send by pthread_kill, which leaves the sender out.
        sender: if code == 0 && sender == 0 { super::pid() } else { sender },
        user,
        call: 0,
        access: if matches!(signal, libc::SIGSEGV | libc::SIGBUS) && code > 0 { access } else { Access::Unknown },
        // SAFETY: as promised.
        registers: unsafe { registers(context) },
    }
}

/// What was tried, and whether it was one that tells no address, by the exception's registers.
#[cfg(target_arch = "aarch64")]
fn tried(_fault_address: u64, syndrome: u64) -> (Access, bool) {
    // ESR_EL1: the exception class, and WnR of a data abort.
    let access = match syndrome as u32 >> 26 {
        0x20 | 0x21 => Access::Execute,
        0x24 | 0x25 if syndrome & 1 << 6 != 0 => Access::Write,
        0x24 | 0x25 => Access::Read,
        _ => Access::Unknown,
    };
    (access, false)
}

/// What was tried, and whether it was one that tells no address, by the exception's registers.
#[cfg(target_arch = "x86_64")]
fn tried(trap_and_error: u64, _fault_address: u64) -> (Access, bool) {
    const GENERAL_PROTECTION: u64 = 13;
    const PAGE_FAULT: u64 = 14;
    let (trap, error) = (trap_and_error & 0xffff, trap_and_error >> 32);
    let access = match trap {
        PAGE_FAULT if error & 16 != 0 => Access::Execute,
        PAGE_FAULT if error & 2 != 0 => Access::Write,
        PAGE_FAULT => Access::Read,
        _ => Access::Unknown,
    };
    (access, trap == GENERAL_PROTECTION)
}

fn linux_code(signal: c_int, code: c_int, is_general_protection: bool) -> c_int {
    /// sys/signal.h; on Linux it is 0.
    const SI_USER: c_int = 0x10001;
    /// On Linux, of a general protection fault, whose code here is 0.
    const SI_KERNEL: c_int = 0x80;
    match (signal, code) {
        (_, SI_USER) => 0,
        (libc::SIGSEGV | libc::SIGBUS, 0) if is_general_protection => SI_KERNEL,
        // ILL_ILLTRP, ILL_PRVOPC and ILL_ILLOPN
        (libc::SIGILL, 2) => 4,
        (libc::SIGILL, 3) => 5,
        (libc::SIGILL, 4) => 2,
        (libc::SIGILL, 5) => 3,
        // FPE_INTDIV and FPE_INTOVF come last here and first there.
        (libc::SIGFPE, 7 | 8) => code - 6,
        (libc::SIGFPE, 1..=6) => code + 2,
        _ => code,
    }
}

/// The registers in a signal handler's context.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn registers(context: *const c_void) -> Registers {
    // SAFETY: as promised.
    let words = unsafe { (*(*context.cast::<Context>()).mcontext).registers };
    Registers { general: layout::IN_CONTEXT.map(|index| words.get(index).copied().unwrap_or(0)) }
}

/// Takes a signal out of the mask that the interrupted code gets back.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn unblock_on_return(context: *mut c_void, signal: c_int) {
    // SAFETY: as promised.
    unsafe { (*context.cast::<Context>()).sigmask &= !(1 << (signal - 1)) }
}

/// Makes a forbidden system call of a report fail instead of ending it: nothing here is forbidden by a signal (a sandbox
/// answers EPERM).
///
/// # Safety
/// None needed; on Linux `context` must be what the kernel gave to the running handler.
pub unsafe fn fail_forbidden_call(_context: *mut c_void) {}
