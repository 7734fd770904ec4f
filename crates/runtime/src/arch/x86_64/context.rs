//! What the kernel gives a signal handler.

use core::ops::Range;

use libc::{c_int, c_void, pid_t, ucontext_t};

use processor::{
    FLAGS_IN_CONTEXT, GREGS, IN_CONTEXT, PROGRAM_COUNTER, Registers, SIGINFO, STACK_POINTER, registers_in,
};

use super::super::{Access, Cause, Exception, Interrupted};
use super::{Instruction, executes, is_canonical, number};

/// Where the code segment's selector and the last exception stand in `gregs` (sys/ucontext.h).
const SELECTORS_IN_CONTEXT: usize = 18;
const ERROR_IN_CONTEXT: usize = 19;
const TRAP_IN_CONTEXT: usize = 20;
const ADDRESS_IN_CONTEXT: usize = 22;

/// Exceptions by their numbers (Intel SDM, volume 3, 6.15; what the kernel tells as `REG_TRAPNO`).
const DIVIDE_ERROR: u64 = 0;
const BREAKPOINT: u64 = 3;
const INVALID_OPCODE: u64 = 6;
const STACK_SEGMENT: u64 = 12;
const GENERAL_PROTECTION: u64 = 13;
/// The one whose error code says what was tried.
const PAGE_FAULT: u64 = 14;
const FLOATING_POINT: u64 = 16;
const ALIGNMENT_CHECK: u64 = 17;
const SIMD: u64 = 19;

/// Highest number of an exception, and one.
const MOST: u64 = 32;

const SI_KERNEL: c_int = 0x80;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;
const SEGV_PKUERR: c_int = 4;
const BUS_ADRERR: c_int = 2;
const FPE_INTDIV: c_int = 1;
const ILL_ILLOPN: c_int = 2;

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
    /// Nothing yet.
    pub const NONE: Self = Self { number: 0, error: 0, address: 0 };

    /// What kind of exception it was, if the signal is one that it becomes.
    pub fn kind(&self, signal: c_int) -> Exception {
        match (signal, self.number) {
            (libc::SIGSEGV | libc::SIGBUS, PAGE_FAULT) => Exception::Memory,
            (libc::SIGBUS, ALIGNMENT_CHECK) => Exception::Misaligned,
            (libc::SIGFPE, DIVIDE_ERROR) => Exception::Division,
            _ => Exception::Other,
        }
    }

    /// What was tried with the address, by the error code.
    pub fn access(&self) -> Access {
        match self.error {
            _ if self.number != PAGE_FAULT => Access::Unknown,
            error if error & 16 != 0 => Access::Execute,
            error if error & 2 != 0 => Access::Write,
            _ => Access::Read,
        }
    }

    /// The signal that it becomes; where there are two of them, `likely` if it is one of them.
    pub fn signal(&self, likely: c_int) -> Option<c_int> {
        match self.number {
            PAGE_FAULT if likely == libc::SIGBUS => Some(libc::SIGBUS),
            PAGE_FAULT | GENERAL_PROTECTION => Some(libc::SIGSEGV),
            DIVIDE_ERROR | FLOATING_POINT | SIMD => Some(libc::SIGFPE),
            BREAKPOINT => Some(libc::SIGTRAP),
            INVALID_OPCODE => Some(libc::SIGILL),
            STACK_SEGMENT | ALIGNMENT_CHECK => Some(libc::SIGBUS),
            _ => None,
        }
    }

    /// Whether a siginfo with this code and address is about this exception.
    pub fn agrees(&self, code: c_int, address: u64, registers: &Registers) -> bool {
        match self.number {
            PAGE_FAULT => address == self.address && code < 32,
            GENERAL_PROTECTION | STACK_SEGMENT | BREAKPOINT => code == SI_KERNEL,
            _ => address == registers.pc() && code < 32,
        }
    }

    /// Whether what was interrupted is what raises this exception.
    pub fn is_explained(&self, registers: &Registers, read: impl Fn(u64, &mut [u8]) -> bool) -> bool {
        if self.number == PAGE_FAULT && self.error & 16 != 0 {
            return executes(registers, self.address);
        }
        if self.number == BREAKPOINT {
            let mut before = [0];
            return read(registers.pc().wrapping_sub(1), &mut before) && before == [0xcc];
        }
        if self.number == GENERAL_PROTECTION && !is_canonical(registers.pc()) {
            return true;
        }
        let Some(instruction) = instruction(registers, &read) else { return false };
        match self.number {
            PAGE_FAULT => instruction.accesses(self.address),
            GENERAL_PROTECTION | STACK_SEGMENT => {
                instruction.why_refused(registers, |address| word(address, &read)) != Cause::Unknown
            }
            DIVIDE_ERROR => instruction.divides(),
            INVALID_OPCODE => instruction.is_made_to_fail(),
            _ => false,
        }
    }

    /// The code and the address that a siginfo would have had.
    pub fn code_and_address(
        &self,
        signal: c_int,
        registers: &Registers,
        is_mapped: impl FnOnce(u64) -> bool,
    ) -> (c_int, u64) {
        match (self.number, signal) {
            (PAGE_FAULT, libc::SIGBUS) => (BUS_ADRERR, self.address),
            (PAGE_FAULT, _) if self.error & 32 != 0 => (SEGV_PKUERR, self.address),
            (PAGE_FAULT, _) if self.error & 1 != 0 || is_mapped(self.address) => (SEGV_ACCERR, self.address),
            (PAGE_FAULT, _) => (SEGV_MAPERR, self.address),
            (DIVIDE_ERROR, _) => (FPE_INTDIV, registers.pc()),
            (INVALID_OPCODE, _) => (ILL_ILLOPN, registers.pc()),
            _ => (SI_KERNEL, 0),
        }
    }
}

fn word(address: u64, read: impl Fn(u64, &mut [u8]) -> bool) -> Option<u64> {
    let mut bytes = [0; 8];
    read(address, &mut bytes).then(|| u64::from_le_bytes(bytes))
}

fn instruction(registers: &Registers, read: impl Fn(u64, &mut [u8]) -> bool) -> Option<Instruction> {
    Instruction::decode(registers, |address| {
        let mut byte = [0];
        (is_canonical(address) && read(address, &mut byte)).then_some(byte).map(|[byte]| byte)
    })
}

/// Why the processor refused an instruction, where the signal does not say it and there is only one reason.
pub fn cause(
    signal: c_int,
    code: c_int,
    trap: &Trap,
    registers: &Registers,
    read: impl Fn(u64, &mut [u8]) -> bool,
) -> Cause {
    match (signal, code, trap.number) {
        (libc::SIGSEGV, SI_KERNEL, GENERAL_PROTECTION) | (libc::SIGBUS, SI_KERNEL, STACK_SEGMENT) => {
            if !is_canonical(registers.pc()) {
                return Cause::NoTarget(registers.pc());
            }
            let cause = instruction(registers, &read)
                .map(|instruction| instruction.why_refused(registers, |address| word(address, &read)));
            // The kernel says the same when it can't call a handler, and the exception may be an earlier one.
            match cause {
                None | Some(Cause::Unknown) if signal == libc::SIGSEGV => Cause::Protection,
                cause => cause.unwrap_or(Cause::Unknown),
            }
        }
        (libc::SIGFPE, FPE_INTDIV, DIVIDE_ERROR) => instruction(registers, &read)
            .map_or(Cause::DividedByZeroOrTooLarge, |instruction| {
                instruction.why_division_failed(registers, |address| word(address, &read))
            }),
        (libc::SIGILL, 1.., INVALID_OPCODE) if instruction(registers, &read).is_some_and(|it| it.is_made_to_fail()) => {
            Cause::MadeToFail
        }
        (libc::SIGTRAP, SI_KERNEL, BREAKPOINT) => Cause::Breakpoint,
        _ => Cause::Unknown,
    }
}

/// The registers and the exception in the ucontext at an address, if it can be one. `word` reads memory.
pub fn context_in(word: impl Fn(u64) -> Option<u64>, context: u64) -> Option<(Registers, Trap)> {
    let greg = |index: usize| word(context.wrapping_add(GREGS + index as u64 * 8));
    // Code of a 64-bit program.
    if greg(SELECTORS_IN_CONTEXT)? & 0xffff != 0x33 {
        return None;
    }
    let registers = registers_in(&word, context)?;
    let trap =
        Trap { number: greg(TRAP_IN_CONTEXT)?, error: greg(ERROR_IN_CONTEXT)?, address: greg(ADDRESS_IN_CONTEXT)? };
    let is_exception =
        trap.number < MOST && (is_canonical(registers.get(PROGRAM_COUNTER)) || trap.number == GENERAL_PROTECTION);
    is_exception.then_some((registers, trap))
}

/// What a word on the stack says of a ucontext near it: where that is, and to where its handler returns, if the word says it.
pub fn context_near(address: u64, word: u64) -> Option<(u64, Option<u64>)> {
    // The kernel aligns what comes behind the return address, which is in no first page.
    (address % 16 == 8 && word >= 4096 && is_canonical(word)).then(|| (address + 8, Some(word)))
}

/// Whether a ucontext may be as near to what its handler has interrupted: below the red zone, where they are on one stack.
pub fn may_be_below(context: u64, registers: &Registers) -> bool {
    !(1..128).contains(&registers.get(STACK_POINTER).wrapping_sub(context))
}

/// Whether the thread is in tgkill(2), by which it has sent itself that signal.
pub fn is_sending(registers: &Registers, pid: pid_t, tid: pid_t, signal: c_int) -> bool {
    // rdi, rsi, rdx
    [5, 4, 1].map(|register| registers.get(register) as u32) == [pid, tid, signal].map(c_int::cast_unsigned)
}

/// How far before where the handler returns to the instruction stands that raised the signal, where executing it again is sure to
/// raise it again; `is_call` says that it is a system call which was not executed.
pub fn back_to_instruction(
    signal: c_int,
    is_call: bool,
    trap: &Trap,
    registers: &Registers,
    read: impl Fn(u64, &mut [u8]) -> bool,
) -> Option<i64> {
    let mut before = [0; 2];
    if !read(registers.pc().wrapping_sub(2), &mut before) {
        return None;
    }
    match (signal, trap.number, before) {
        // A breakpoint's address is behind it: int3, int 3.
        (libc::SIGTRAP, BREAKPOINT, [_, 0xcc]) => Some(1),
        (libc::SIGTRAP, BREAKPOINT, [0xcd, 0x03]) => Some(2),
        // syscall, int 0x80: the kernel has put the number back (kernel/seccomp.c, syscall_rollback).
        (libc::SIGSYS, _, [0x0f, 0x05] | [0xcd, 0x80]) if is_call => Some(2),
        _ => None,
    }
}

/// The registers in a signal handler's context.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn registers(context: *const c_void) -> Registers {
    // SAFETY: the caller promises the kernel's ucontext.
    let gregs = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    let greg = |index: usize| gregs.get(index).copied().unwrap_or(0) as u64;
    Registers { general: IN_CONTEXT.map(greg), flags: greg(FLAGS_IN_CONTEXT) }
}

/// The thread's last exception, as a signal handler's context has it.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn trap(context: *const c_void) -> Trap {
    // SAFETY: the caller promises the kernel's ucontext.
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
    // SAFETY: the caller promises the kernel's ucontext.
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
    // SAFETY: the caller promises the kernel's ucontext.
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

/// The system call at whose return a signal has come; `None` where none was made just before. `read` reads memory that may not
/// be there, and `libc` tells where libc's code is and whether it hands on a call's number as a first argument.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn interrupted_call(
    context: *const c_void,
    read: impl Fn(u64, &mut [u8]) -> bool,
    libc: impl Fn() -> Option<(Range<usize>, bool)>,
) -> Option<Interrupted> {
    const MOV_EAX: u8 = 0xb8;
    // SAFETY: the caller promises the kernel's ucontext.
    let registers = unsafe { registers(context) };
    let mut code = [0u8; 7];
    let start = registers.pc().checked_sub(code.len() as u64)?;
    if start % 4096 > registers.pc() % 4096 {
        // The page before might not be mapped: let the kernel look.
        if !read(start, &mut code) {
            return None;
        }
    } else {
        // SAFETY: the thread was about to execute at the program counter, and `start` is on the same page.
        code = unsafe { core::ptr::with_exposed_provenance::<[u8; 7]>(start as usize).read() };
    }
    let number = match code {
        [MOV_EAX, a, b, c, d, 0x0f, 0x05] => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
        [.., 0x0f, 0x05] => number::number_before(&registers).or_else(|| {
            let (code, first) = libc()?;
            number::number_of_callers(&registers, &code, first, &read)
        }),
        _ => return None,
    };
    let register = |register| registers.get(register).cast_signed();
    // rax; rdi, rsi, rdx, r10, r8, r9
    Some(Interrupted { number, result: register(0), arguments: [5, 4, 1, 10, 8, 9].map(register).map(Some) })
}

/// Whether libc gives the kernel the code that leaves a handler (SA_RESTORER), and tells programs of it.
pub const LIBC_SETS_RESTORER: bool = true;

/// Where things are in a frame of the kernel (`struct rt_sigframe`), from its lowest address on, which is the stack pointer that
/// a handler is called with: a return address, a ucontext, a siginfo; the processor's state is above, and the ucontext points
/// to it.
pub mod frame {
    /// The ucontext.
    pub const CONTEXT: usize = 8;
    /// The siginfo.
    pub const INFO: usize = CONTEXT + super::SIGINFO as usize;
    /// The alternate stack's address.
    pub const STACK: usize = CONTEXT + 16;
    /// The alternate stack's size.
    pub const STACK_SIZE: usize = CONTEXT + 32;
    /// What [`relay`](crate::arch::relay) was told: the return address.
    pub const MARK: usize = 0;
    const REGISTERS: usize = CONTEXT + super::GREGS as usize;
    /// The interrupted stack pointer.
    pub const STACK_POINTER: usize = REGISTERS + 8 * libc::REG_RSP as usize;
    /// The interrupted program counter.
    pub const PROGRAM_COUNTER: usize = REGISTERS + 8 * libc::REG_RIP as usize;
    /// The registers of the first three arguments.
    pub const ARGUMENTS: [usize; 3] = [
        REGISTERS + 8 * libc::REG_RDI as usize,
        REGISTERS + 8 * libc::REG_RSI as usize,
        REGISTERS + 8 * libc::REG_RDX as usize,
    ];
    /// The register that a return address is in.
    pub const LINK: Option<usize> = None;
    const STATE: usize = REGISTERS + 23 * 8;
    /// Frames are at multiples of this.
    pub const STEP: usize = 8;
    /// A frame is no smaller.
    pub const LEAST: usize = INFO + 8;
    /// What the interrupted function may use below its stack pointer (System V ABI, x86_64).
    pub const RED_ZONE: usize = 128;

    /// After a frame was copied: what points into itself.
    ///
    /// # Safety
    /// Both are frames of the kernel, of that size.
    pub unsafe fn relocate(from: usize, to: usize, size: usize) {
        // SAFETY: both are within frames of the kernel.
        unsafe {
            let pointer = core::ptr::with_exposed_provenance_mut::<usize>(to + STATE);
            let state = pointer.read();
            if (from..from + size).contains(&state) {
                pointer.write(state - from + to);
            }
        }
    }

    /// The frame of a relay that was interrupted before it could mark it, and what it was told: the kernel has done that here.
    ///
    /// # Safety
    /// A frame of the kernel.
    pub unsafe fn unmarked(_frame: usize, _relay: usize) -> Option<(usize, usize)> {
        None
    }
}
