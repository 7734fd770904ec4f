//! What the kernel gives a signal handler, and the frame that it makes for one.
//!
//! The frame (`struct rt_sigframe`, arch/x86/include/asm/sigframe.h) is a return address, a ucontext with the general
//! registers and the last exception, and a siginfo.

use core::ops::Range;

use libc::{c_int, c_void, pid_t, ucontext_t};

use processor::{
    FLAGS_IN_CONTEXT, GREGS, IN_CONTEXT, PROGRAM_COUNTER, Registers, SIGINFO, STACK_POINTER, registers_in,
};

use super::super::{Access, Cause, Exception, Interrupted};
use super::{Instruction, executes, is_canonical, number};

// Indices in `gregs` (sys/ucontext.h).
/// `REG_CSGSFS`: the selector of the code segment, in the lowest 16 bits.
const SELECTORS_IN_CONTEXT: usize = 18;
/// `REG_ERR`: the last exception's error code.
const ERROR_IN_CONTEXT: usize = 19;
/// `REG_TRAPNO`: the last exception's number.
const TRAP_IN_CONTEXT: usize = 20;
/// `REG_CR2`: the address of the last page fault.
const ADDRESS_IN_CONTEXT: usize = 22;

// Exceptions by their numbers (Intel 64 and IA-32 Architectures Software Developer's Manual, SDM, volume 3, 6.15).
const DIVIDE_ERROR: u64 = 0;
const BREAKPOINT: u64 = 3;
const INVALID_OPCODE: u64 = 6;
const STACK_SEGMENT: u64 = 12;
const GENERAL_PROTECTION: u64 = 13;
/// Bits of its error code (SDM, volume 3, 4.7): 1 the page is there, 2 a write, 16 a fetch of an instruction, 32 a
/// protection key.
const PAGE_FAULT: u64 = 14;
const FLOATING_POINT: u64 = 16;
const ALIGNMENT_CHECK: u64 = 17;
const SIMD: u64 = 19;

/// Exceptions have numbers below this.
const MOST: u64 = 32;

// `si_code`s (asm-generic/siginfo.h).
const SI_KERNEL: c_int = 0x80;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;
const SEGV_PKUERR: c_int = 4;
const BUS_ADRERR: c_int = 2;
const FPE_INTDIV: c_int = 1;
const ILL_ILLOPN: c_int = 2;

/// An exception, as the processor reports it to the kernel. A handler gets the thread's last one, which may be older
/// than the signal.
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
    /// No exception.
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
            // SI_KERNEL, which is 128, comes without an address.
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
            // Behind int3, whose only byte is cc.
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

/// Eight bytes of memory as a number.
fn word(address: u64, read: impl Fn(u64, &mut [u8]) -> bool) -> Option<u64> {
    let mut bytes = [0; 8];
    read(address, &mut bytes).then(|| u64::from_le_bytes(bytes))
}

/// The instruction at the program counter; `None` where it can't be read or decoded.
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
            // The kernel raises the same signal when it can't make a handler's frame, and then the exception is an
            // earlier one.
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
    // The selector of 64-bit code: __USER_CS (arch/x86/include/asm/segment.h).
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

/// Whether the 8 bytes at an address on the stack are those by which a ucontext is found: here they may be a handler's
/// return address. Returns the ucontext's address and that return address.
pub fn context_near(address: u64, word: u64) -> Option<(u64, Option<u64>)> {
    // The kernel aligns the ucontext, behind the return address, to 16. No code is on the first page of memory.
    (address % 16 == 8 && word >= 4096 && is_canonical(word)).then(|| (address + 8, Some(word)))
}

/// Whether a ucontext may belong to a signal that has interrupted code with these registers: if both are on one stack,
/// the frame is below the interrupted stack pointer's red zone (128 bytes: System V ABI, x86_64, 3.2.2).
pub fn may_be_below(context: u64, registers: &Registers) -> bool {
    !(1..128).contains(&registers.get(STACK_POINTER).wrapping_sub(context))
}

/// Whether the thread is in tgkill(2), by which it has sent itself that signal.
pub fn is_sending(registers: &Registers, pid: pid_t, tid: pid_t, signal: c_int) -> bool {
    // rdi, rsi, rdx by their DWARF numbers
    [5, 4, 1].map(|register| registers.get(register) as u32) == [pid, tid, signal].map(c_int::cast_unsigned)
}

/// How many bytes before the program counter the instruction is that has raised the signal; `None` where executing it
/// again might not raise the signal again. `is_call` says that it is a system call which was not executed.
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
        // The program counter is behind a breakpoint: int3 (one byte), int 3 (two).
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

/// The thread's last exception, as a signal handler's context has it. It may be older than the signal.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn trap(context: *const c_void) -> Trap {
    // SAFETY: the caller promises the kernel's ucontext.
    let gregs = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext.gregs };
    let greg = |index: usize| gregs.get(index).copied().unwrap_or(0) as u64;
    Trap { number: greg(TRAP_IN_CONTEXT), error: greg(ERROR_IN_CONTEXT), address: greg(ADDRESS_IN_CONTEXT) }
}

/// Clears the flag by which a program has the processor check the alignment of all accesses: our handlers are not
/// compiled for that.
pub fn forget_alignment_check() {
    // SAFETY: only that flag changes (AC, bit 18). The return from the handler restores the program's.
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

/// Makes the return from the handler go to that many bytes before the interrupted program counter.
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

/// Raises a signal by an instruction. If the signal is blocked or has its default action, that ends the process, even
/// one that may not send signals. Returns where no instruction raises it.
pub fn raise_by_instruction(signal: c_int) {
    // SAFETY: the process is to end here.
    unsafe {
        match signal {
            libc::SIGSEGV => core::arch::asm!("mov byte ptr [{}], 0", in(reg) 0usize),
            // An access by the stack pointer to an address that is not canonical is a stack fault, which Linux makes
            // SIGBUS.
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

/// The system call at whose return a signal has come; `None` where none was made just before. `is_readable` says whether
/// an address's page can be read. `read` reads memory that may not be there. `libc` returns the addresses of libc's code,
/// and whether this libc passes a call's number on as a first argument (musl).
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn interrupted_call(
    context: *const c_void,
    is_readable: impl Fn(u64) -> bool,
    read: impl Fn(u64, &mut [u8]) -> bool,
    libc: impl Fn() -> Option<(Range<usize>, bool)>,
) -> Option<Interrupted> {
    const MOV_EAX: u8 = 0xb8;
    /// Length of `syscall`.
    const SYSCALL: u64 = 2;
    // SAFETY: the caller promises the kernel's ucontext.
    let registers = unsafe { registers(context) };
    let mut code = [0u8; 7];
    let start = registers.pc().checked_sub(code.len() as u64)?;
    // Code may be executable without being readable (protection keys), and another handler may have unmapped it.
    let is_there = is_readable(registers.pc() - SYSCALL);
    if !is_there || start % 4096 > registers.pc() % 4096 {
        // The page before might not be mapped: let the kernel look.
        if !read(start, &mut code) {
            return None;
        }
    } else {
        // SAFETY: all of it is on the page that can be read.
        code = unsafe { core::ptr::with_exposed_provenance::<[u8; 7]>(start as usize).read() };
    }
    let number = match code {
        [MOV_EAX, a, b, c, d, 0x0f, 0x05] => Some(i64::from(i32::from_le_bytes([a, b, c, d]))),
        [.., 0x0f, 0x05] if !is_there => None,
        [.., 0x0f, 0x05] => number::number_before(&registers, &read).or_else(|| {
            let (code, first) = libc()?;
            number::number_of_callers(&registers, &code, first, &read)
        }),
        _ => return None,
    };
    let register = |register| registers.get(register).cast_signed();
    // By DWARF numbers: the result is in rax, the arguments are in rdi, rsi, rdx, r10, r8, r9.
    Some(Interrupted { number, result: register(0), arguments: [5, 4, 1, 10, 8, 9].map(register).map(Some) })
}

/// Whether libc gives the kernel the code that returns from a handler (SA_RESTORER), and programs see that in an action
/// that they read.
pub const LIBC_SETS_RESTORER: bool = true;

/// Offsets in a frame that the kernel makes for a signal, in bytes from its lowest address, which is the stack pointer
/// that a handler is called with. Above the siginfo is the processor's other state, to which the ucontext points.
pub mod frame {
    /// The ucontext.
    pub const CONTEXT: usize = 8;
    /// The siginfo.
    pub const INFO: usize = CONTEXT + super::SIGINFO as usize;
    /// The alternate stack's address.
    pub const STACK: usize = CONTEXT + 16;
    /// The alternate stack's size.
    pub const STACK_SIZE: usize = CONTEXT + 32;
    /// Where [`relay`](crate::arch::relay) finds the handler's address: in place of a return address.
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
    /// The pointer to the processor's other state (`fpregs`), behind 23 registers.
    const STATE: usize = REGISTERS + 23 * 8;
    /// Frames are aligned to this, in bytes.
    pub const STEP: usize = 8;
    /// A frame has more bytes than this.
    pub const LEAST: usize = INFO + 8;
    /// Bytes that the interrupted function may use below its stack pointer (System V ABI, x86_64, 3.2.2).
    pub const RED_ZONE: usize = 128;

    /// After a frame of `size` bytes was copied from `from` to `to`: corrects the pointer in it that points into the
    /// frame.
    ///
    /// # Safety
    /// At `to` is a copy of a frame of the kernel of that size, to which no reference leads.
    pub unsafe fn relocate(from: usize, to: usize, size: usize) {
        // SAFETY: the caller promises a frame at `to`, and the pointer is within it.
        unsafe {
            let pointer = core::ptr::with_exposed_provenance_mut::<usize>(to + STATE);
            let state = pointer.read();
            if (from..from + size).contains(&state) {
                pointer.write(state - from + to);
            }
        }
    }

    /// If a signal has interrupted the relay before it has marked its frame: that frame, and the handler's address.
    /// Here the kernel itself puts the address into the frame, so there is no such moment.
    ///
    /// # Safety
    /// None is needed here; on arm64 `frame` has to be the interrupting signal's.
    pub unsafe fn unmarked(_frame: usize, _relay: usize) -> Option<(usize, usize)> {
        None
    }
}
