//! What a signal handler is told: the interrupted registers, the exception and the siginfo.
//!
//! The siginfo says less than it should (bsd/dev/arm/unix_signal.c, bsd/dev/i386/unix_signal.c, sendsig). On arm64 its code depends on
//! the signal alone, even if that was sent: SIGSEGV always has SEGV_ACCERR, SIGBUS always BUS_ADRALN. On x86_64 a general protection
//! fault has the code 0, and SIGTRAP has TRAP_BRKPT even when it was sent. For SIGSEGV, SIGBUS, SIGILL and SIGFPE neither has the
//! sender. So what happened is read from the exception in the machine context, and [`fault`] translates it to Linux's codes, for which
//! reports have words.

use libc::{c_int, c_void, pid_t, siginfo_t, uid_t};

use crate::arch::{Access, Registers};
use crate::platform::Cause;

#[cfg(target_arch = "aarch64")]
mod layout {
    /// Index of each register, by DWARF number, in `__darwin_arm_thread_state64`, in units of 8 bytes.
    pub const IN_STATE: [usize; 33] = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
        30, 31, 32,
    ];
    /// Index and mask of `cpsr`, which has 32 bits.
    pub const FLAGS: (usize, u64) = (33, 0xffff_ffff);
    /// Size of that structure, in units of 8 bytes.
    pub const STATE_WORDS: usize = 34;
}

#[cfg(target_arch = "x86_64")]
mod layout {
    /// Index of each register, by DWARF number, in `__darwin_x86_thread_state64`, in units of 8 bytes.
    pub const IN_STATE: [usize; 17] = [0, 3, 2, 1, 5, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
    /// Index and mask of `rflags`.
    pub const FLAGS: (usize, u64) = (17, u64::MAX);
    /// Size of that structure, in units of 8 bytes.
    pub const STATE_WORDS: usize = 21;
}

pub use layout::STATE_WORDS as THREAD_STATE_WORDS;

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
    state: [u64; THREAD_STATE_WORDS],
}

/// Registers as Mach has them (thread_get_state, machine contexts).
pub fn registers_of_state(state: &[u64; THREAD_STATE_WORDS]) -> Registers {
    let word = |index: usize| state.get(index).copied().unwrap_or(0);
    let (flags, mask) = layout::FLAGS;
    Registers { general: layout::IN_STATE.map(word), flags: word(flags) & mask }
}

/// What the kernel tells a signal handler, as a value that can be kept.
#[derive(Clone, Copy)]
pub struct Fault {
    /// `si_signo`
    pub signal: c_int,
    /// `si_code`, by Linux's number.
    pub code: c_int,
    /// The address of a fault.
    pub address: u64,
    /// `si_pid`, of a signal that was sent; 0 where the kernel does not tell it.
    pub sender: pid_t,
    /// `si_uid`, of a signal that was sent.
    pub user: uid_t,
    /// A forbidden system call's number: never told.
    pub call: c_int,
    /// What was done with the address.
    pub access: Access,
    /// The interrupted registers.
    pub registers: Registers,
    by_instruction: bool,
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
        by_instruction: false,
    };

    /// Whether an instruction of the thread has raised it, and may again; otherwise it was sent.
    pub fn is_by_instruction(&self) -> bool {
        self.by_instruction
    }

    /// Whether it ends even a process to which the kernel gives no signals: there is none such here.
    pub fn is_forced(&self) -> bool {
        self.by_instruction
    }
}

/// Reads what the kernel gave to a handler.
///
/// # Safety
/// The pointers are those that the kernel gave to a handler with SA_SIGINFO.
pub unsafe fn fault(signal: c_int, info: *const siginfo_t, context: *const c_void) -> Fault {
    // SAFETY: the caller promises the kernel's siginfo and context, which points to its machine context.
    let (told, sender, user, words) = unsafe {
        let exception = (*(*context.cast::<Context>()).mcontext).exception;
        ((*info).si_code, (*info).si_pid, (*info).si_uid, exception)
    };
    // SAFETY: the caller promises the kernel's context.
    let registers = unsafe { registers(context) };
    match exception(signal, told, words) {
        Some(Exception { code, access, has_address }) => Fault {
            signal,
            code,
            // SAFETY: the caller promises the kernel's siginfo.
            address: if has_address { unsafe { (*info).si_addr as u64 } } else { registers.pc() },
            access,
            registers,
            by_instruction: true,
            ..Fault::NONE
        },
        None => Fault {
            signal,
            code: SI_USER,
            // pthread_kill(3), which abort(3) and raise(3) use, sets no sender: then it is this process. For the signals that faults
            // raise, the kernel never sets a sender.
            sender: if sender == 0 && tells_sender(signal) { super::pid() } else { sender },
            user,
            registers,
            ..Fault::NONE
        },
    }
}

/// Code, by Linux's number, and address of a signal, by the code and the address in its siginfo and the exception in its machine context.
pub fn code_and_address(signal: c_int, (told, address): (c_int, u64), words: [u64; 2], pc: u64) -> (c_int, u64) {
    match exception(signal, told, words) {
        Some(Exception { code, has_address, .. }) => (code, if has_address { address } else { pc }),
        None => (SI_USER, 0),
    }
}

// Linux's numbers (include/uapi/asm-generic/siginfo.h). SI_KERNEL is that of a general protection fault.
const SI_USER: c_int = 0;
const SI_KERNEL: c_int = 0x80;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;
const BUS_ADRALN: c_int = 1;
const TRAP_BRKPT: c_int = 1;
/// No system's `si_code`: Mach's KERN_PROTECTION_FAILURE, which is SIGBUS here.
const BUS_PROTECTION: c_int = 0x102;
/// No system's `si_code`: an authentication failure of FEAT_FPAC.
#[cfg(target_arch = "aarch64")]
const SEGV_FPAC: c_int = 0x103;

/// Whether the kernel fills in who sent this signal: it does where no fault could have raised it.
fn tells_sender(signal: c_int) -> bool {
    let by_fault = matches!(signal, libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE);
    let trap = cfg!(target_arch = "x86_64") && signal == libc::SIGTRAP;
    !by_fault && !trap
}

/// An exception that an instruction has raised.
struct Exception {
    code: c_int,
    access: Access,
    /// Whether the siginfo's address is the one that was tried; otherwise it is the instruction's.
    has_address: bool,
}

impl Exception {
    fn at_instruction(code: c_int) -> Option<Self> {
        Some(Self { code, access: Access::Unknown, has_address: false })
    }
}

/// The exception that has raised this signal, by ESR_EL1 (Arm Architecture Reference Manual, D24.2.40); `None` when none
/// has.
#[cfg(target_arch = "aarch64")]
fn exception(signal: c_int, told: c_int, [_far, syndrome]: [u64; 2]) -> Option<Exception> {
    let syndrome = syndrome as u32;
    let (class, status) = (syndrome >> 26, syndrome & 0x3f);
    let is_write = syndrome & 1 << 6 != 0;
    match (signal, class) {
        (libc::SIGSEGV | libc::SIGBUS, 0x20 | 0x21 | 0x24 | 0x25) => {
            let access = match class {
                0x20 | 0x21 => Access::Execute,
                _ if is_write => Access::Write,
                _ => Access::Read,
            };
            let is_unmapped = matches!(status, 0x04..=0x07);
            let code = match signal {
                libc::SIGSEGV if is_unmapped => SEGV_MAPERR,
                libc::SIGSEGV => SEGV_ACCERR,
                _ if status == 0x21 => BUS_ADRALN,
                _ => BUS_PROTECTION,
            };
            Some(Exception { code, access, has_address: true })
        }
        // A misaligned program counter or stack pointer.
        (libc::SIGBUS, 0x22 | 0x26) => Exception::at_instruction(BUS_ADRALN),
        // A pointer whose signature is wrong.
        (libc::SIGSEGV, 0x1c) => Exception::at_instruction(SEGV_FPAC),
        (libc::SIGILL, 0x00 | 0x0e | 0x18) => Exception::at_instruction(illegal(told)),
        (libc::SIGTRAP, 0x30..=0x35 | 0x38 | 0x3c) => Exception::at_instruction(TRAP_BRKPT),
        (libc::SIGFPE, 0x28 | 0x2c) => Exception::at_instruction(arithmetic(told)),
        _ => None,
    }
}

/// The exception that has raised this signal, by its number and error code; `None` when none has.
#[cfg(target_arch = "x86_64")]
fn exception(signal: c_int, told: c_int, [numbers, _address]: [u64; 2]) -> Option<Exception> {
    /// Numbers of exceptions (Intel 64 Architectures Software Developer's Manual, volume 3, table 6-1).
    const DIVIDE: u64 = 0;
    const DEBUG: u64 = 1;
    const BREAKPOINT: u64 = 3;
    const OVERFLOW: u64 = 4;
    const BOUND: u64 = 5;
    const INVALID_OPCODE: u64 = 6;
    const NOT_PRESENT: u64 = 11;
    const STACK: u64 = 12;
    const GENERAL_PROTECTION: u64 = 13;
    const PAGE_FAULT: u64 = 14;
    const FLOATING_POINT: u64 = 16;
    const ALIGNMENT: u64 = 17;
    const SIMD: u64 = 19;
    /// Of a page fault's error code.
    const PRESENT: u64 = 1;
    const WRITE: u64 = 2;
    const FETCH: u64 = 16;
    let (number, error) = (numbers & 0xffff, numbers >> 32);
    match (signal, number) {
        (libc::SIGSEGV | libc::SIGBUS, PAGE_FAULT) => {
            let access = match error {
                _ if error & FETCH != 0 => Access::Execute,
                _ if error & WRITE != 0 => Access::Write,
                _ => Access::Read,
            };
            let code = match signal {
                libc::SIGBUS => BUS_PROTECTION,
                _ if told == SEGV_ACCERR || told != SEGV_MAPERR && error & PRESENT != 0 => SEGV_ACCERR,
                _ => SEGV_MAPERR,
            };
            Some(Exception { code, access, has_address: true })
        }
        (libc::SIGSEGV | libc::SIGBUS, GENERAL_PROTECTION | NOT_PRESENT | STACK | BOUND) => {
            Exception::at_instruction(SI_KERNEL)
        }
        (libc::SIGBUS, ALIGNMENT) => Exception::at_instruction(BUS_ADRALN),
        (libc::SIGILL, INVALID_OPCODE) => Exception::at_instruction(illegal(told)),
        (libc::SIGTRAP, DEBUG | BREAKPOINT) => Exception::at_instruction(TRAP_BRKPT),
        (libc::SIGFPE, DIVIDE | OVERFLOW | FLOATING_POINT | SIMD) => Exception::at_instruction(arithmetic(told)),
        _ => None,
    }
}

/// Linux's number for macOS's `si_code` of SIGILL (sys/signal.h): ILL_ILLTRP, ILL_PRVOPC, ILL_ILLOPN and ILL_ILLADR are 2 to 5 there.
fn illegal(told: c_int) -> c_int {
    match told {
        // On arm64 it is ILL_ILLTRP whatever it was: ILL_ILLOPC, as on Linux.
        2 if cfg!(target_arch = "aarch64") => 1,
        2 => 4,
        3 => 5,
        4 => 2,
        5 => 3,
        _ => 1,
    }
}

/// Linux's number for macOS's `si_code` of SIGFPE (sys/signal.h): FPE_INTDIV and FPE_INTOVF are 7 and 8 there.
fn arithmetic(told: c_int) -> c_int {
    match told {
        7 | 8 => told - 6,
        1..=6 => told + 2,
        _ => SI_KERNEL,
    }
}

/// Why the processor refused an instruction: it is not looked at here.
pub fn cause(fault: &Fault) -> Cause {
    if fault.signal == libc::SIGSEGV && fault.code == SI_KERNEL { Cause::Protection } else { Cause::Unknown }
}

/// Whether that thread has sent itself the signal: nothing tells here, and nothing is made of it.
pub fn is_raised_by(_pid: pid_t, _tid: pid_t, _raised: &Fault) -> bool {
    true
}

/// The fault whose handler has not returned: not looked for here.
pub fn fault_on_stack(_sp: u64, _raised: c_int) -> Option<Fault> {
    None
}

/// The fault whose handler has raised a signal: not looked for here.
pub fn fault_behind(_raised: &Fault) -> Option<Fault> {
    None
}

/// The registers in a signal handler's context.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn registers(context: *const c_void) -> Registers {
    // SAFETY: the caller promises the kernel's context, which points to its machine context.
    registers_of_state(unsafe { &(*(*context.cast::<Context>()).mcontext).state })
}

/// The mask of what a signal has interrupted.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn interrupted_mask(context: *const c_void) -> u64 {
    // SAFETY: the caller promises the kernel's context.
    unsafe { u64::from((*context.cast::<Context>()).sigmask) }
}

/// Has a signal blocked when the handler returns.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn block_on_return(context: *mut c_void, signal: c_int) {
    // SAFETY: the caller promises the kernel's context, of which the kernel restores the mask.
    unsafe { (*context.cast::<Context>()).sigmask |= 1 << (signal - 1) }
}

/// Takes a signal out of the mask that the interrupted code gets back.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn unblock_on_return(context: *mut c_void, signal: c_int) {
    // SAFETY: the caller promises the kernel's context, of which the kernel restores the mask.
    unsafe { (*context.cast::<Context>()).sigmask &= !(1 << (signal - 1)) }
}

/// Makes a forbidden system call of a report fail instead of ending it: nothing here is forbidden by a signal (a sandbox
/// answers EPERM).
///
/// # Safety
/// None needed; on Linux `context` must be what the kernel gave to the running handler.
pub unsafe fn fail_forbidden_call(_context: *mut c_void) {}

/// Whether a SIGSYS is about a system call of our own that is trapped: nothing here traps.
///
/// # Safety
/// None needed; on Linux the pointers must be what the kernel gave to a handler.
pub unsafe fn is_own_forbidden_call(_info: *const siginfo_t, _context: *const c_void) -> bool {
    false
}
