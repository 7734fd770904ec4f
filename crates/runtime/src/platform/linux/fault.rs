//! What a signal handler is told: the interrupted registers and the siginfo.

use super::freestanding::own_call;
use libc::{c_int, c_void, pid_t, siginfo_t, ucontext_t, uid_t};

use crate::arch::{self, Exception, Trap};
use crate::platform::{Access, Cause, Registers};

pub use crate::arch::{raise_by_instruction, registers};

/// `SYS_SECCOMP` and `SYS_USER_DISPATCH` (asm-generic/siginfo.h): the kernel has not executed a system call.
const CALL_NOT_EXECUTED: core::ops::RangeInclusive<c_int> = 1..=2;
/// `BUS_MCEERR_AO` (asm-generic/siginfo.h): memory has failed somewhere; no instruction has asked for it.
const MEMORY_FAILED_ELSEWHERE: c_int = 5;

/// What the kernel tells a signal handler, as a value that can be kept.
#[derive(Clone, Copy)]
pub struct Fault {
    /// `si_signo`
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
    /// What was done with the address.
    pub access: Access,
    /// The thread's last exception, be it this signal's or an earlier one's: the kernel keeps it.
    pub trap: Trap,
    /// The interrupted registers.
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
        trap: Trap::NONE,
        registers: Registers::NONE,
    };

    /// Whether an instruction of the thread has raised it, and may again; otherwise it was sent.
    pub fn is_by_instruction(&self) -> bool {
        // Not SIGABRT; nor SIGSYS, after which a program can go on with the next instruction.
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

/// Whether a signal is the kernel's word on an address that can't be used.
///
/// # Safety
/// `info` is what the kernel gave to a handler of this signal.
pub unsafe fn is_bad_access(signal: c_int, info: *const siginfo_t) -> bool {
    // SAFETY: the caller promises the kernel's siginfo.
    matches!(signal, libc::SIGSEGV | libc::SIGBUS) && unsafe { (*info).si_code } > 0
}

/// Reads what the kernel gave to a handler.
///
/// # Safety
/// The pointers are those that the kernel gave to a handler with SA_SIGINFO.
pub unsafe fn fault(signal: c_int, info: *const siginfo_t, context: *const c_void) -> Fault {
    arch::forget_alignment_check();
    // SAFETY: the caller promises the kernel's siginfo and context. The fields of a siginfo overlap, and all lie within it; which of them have a meaning is
    // decided by code and signal.
    unsafe {
        let trap = arch::trap(context);
        let is_access = is_bad_access(signal, info);
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

/// Whether the instruction, executed again in the same state, is sure to raise the same signal now. `false` where that can't be
/// told: memory may have become accessible, and what an instruction reads may have changed.
pub fn would_fault_again(fault: &Fault) -> bool {
    match (fault.trap.kind(fault.signal), fault.signal) {
        (Exception::Memory, _) => !is_accessible(fault.address, fault.access),
        // (A handler that wanted to go on would have cleared the flag that asks for the check.)
        (Exception::Misaligned, _) => true,
        (Exception::Division, _) => super::cause(fault) == Cause::DividedByZero,
        // Floating-point registers are not compared, and a trap comes behind its instruction.
        (_, libc::SIGFPE | libc::SIGTRAP) => false,
        // An opcode stays what it is, and so does an address in unchanged registers.
        _ => fault.is_by_instruction(),
    }
}

/// Whether the kernel lets this thread do this at an address now. Nothing is written there.
fn is_accessible(address: u64, access: Access) -> bool {
    let size = arch::page_size();
    let page = address & !(size as u64 - 1);
    // asm-generic/mman-common.h, since Linux 5.14.
    const MADV_POPULATE_READ: c_int = 22;
    const MADV_POPULATE_WRITE: c_int = 23;
    let advice = if access == Access::Write { MADV_POPULATE_WRITE } else { MADV_POPULATE_READ };
    // SAFETY: populating gives a page the memory that an access would give it, and changes nothing else.
    let populated = unsafe { own_call(libc::SYS_madvise, page, size, advice) } == 0;
    match super::errno() {
        // Populated for reading: whether code may be there, the mapping's protection tells.
        _ if populated => access != Access::Execute || super::rights_allow(address, access) != Some(false),
        // Nothing is mapped, or the mapped file is shorter.
        libc::ENOMEM | libc::EFAULT => false,
        // The protection forbids it, it is a device's memory, or the kernel is older than 5.14.
        _ => super::rights_allow(address, access) != Some(false),
    }
}

/// Makes the return from the handler a new execution of what raised the signal. `false` where that is impossible, or would
/// not be sure to raise it.
///
/// # Safety
/// `context` is what the kernel gave to the running handler, with this fault.
pub unsafe fn execute_again(fault: &Fault, context: *mut c_void) -> bool {
    let read = |address: u64, bytes: &mut [u8]| super::read_memory(super::pid(), address, bytes) == bytes.len();
    let is_call = CALL_NOT_EXECUTED.contains(&fault.code);
    let back = match arch::back_to_instruction(fault.signal, is_call, &fault.trap, &fault.registers, read) {
        Some(back) => back,
        None if would_fault_again(fault) => 0,
        None => return false,
    };
    // SAFETY: the caller promises the kernel's context.
    unsafe { arch::go_back(context, back) };
    true
}

/// Lets a system call that seccomp has answered with SIGSYS fail with ENOSYS.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn fail_forbidden_call(context: *mut c_void) {
    // SAFETY: the caller promises the kernel's context.
    unsafe { arch::set_result(context, -i64::from(libc::ENOSYS)) };
}

/// The mask of what a signal has interrupted.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn interrupted_mask(context: *const c_void) -> u64 {
    // SAFETY: the caller promises the kernel's context; the kernel's set is the first eight bytes of uc_sigmask.
    unsafe { (&raw const (*context.cast::<ucontext_t>()).uc_sigmask).cast::<u64>().read() }
}

/// Has a signal blocked when the handler returns. One that the interrupted instruction raises then ends the process, as if it had
/// had its default action, without a system call of ours.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn block_on_return(context: *mut c_void, signal: c_int) {
    // SAFETY: the caller promises the kernel's context; the kernel's set is the first eight bytes of uc_sigmask.
    unsafe { *(&raw mut (*context.cast::<ucontext_t>()).uc_sigmask).cast::<u64>() |= 1 << (signal - 1) }
}

/// Takes a signal out of the mask that the interrupted code gets back.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn unblock_on_return(context: *mut c_void, signal: c_int) {
    // SAFETY: the caller promises the kernel's context; the kernel's set is the first eight bytes of uc_sigmask.
    unsafe { *(&raw mut (*context.cast::<ucontext_t>()).uc_sigmask).cast::<u64>() &= !(1 << (signal - 1)) }
}
