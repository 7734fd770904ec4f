//! What the kernel gives a signal handler, and the frame that it makes for one.
//!
//! The frame (`struct rt_sigframe`, arch/arm64/kernel/signal.c) is a siginfo and a ucontext. In the ucontext, behind
//! the registers, come records, each with a magic number and a size (asm/sigcontext.h): first that of the
//! floating-point registers, and that of the exception if there was one. The return address is in a register, and leads
//! to the vdso.

use core::ops::Range;

use libc::{c_int, c_void, pid_t, ucontext_t};

use processor::{CONTEXT_IN_FRAME, MACHINE, PROGRAM_COUNTER, REGISTERS, Registers, STACK_POINTER, STATE, registers_in};

use super::super::{Access, Cause, Exception, Interrupted};
use super::is_canonical;

/// Offset of the records (`__reserved`) in a ucontext; they are aligned to 16.
const RECORDS: u64 = STATE + 16;
/// Size of `__reserved`, in bytes.
const RECORDS_SIZE: u64 = 4096;
/// The head of the first record: FPSIMD_MAGIC, and its size.
const FIRST_RECORD: u64 = 528 << 32 | 0x4650_8001;
/// The head of the exception's record: ESR_MAGIC, and its size.
const EXCEPTION_RECORD: u64 = 16 << 32 | 0x4553_5201;

// Classes of exceptions (Arm Architecture Reference Manual, ESR_EL1.EC).
const FETCH: u64 = 0x20;
const FETCH_SAME_LEVEL: u64 = 0x21;
const MISALIGNED_PC: u64 = 0x22;
const DATA: u64 = 0x24;
const DATA_SAME_LEVEL: u64 = 0x25;
const MISALIGNED_SP: u64 = 0x26;
/// Fault status code of ESR_EL1: alignment fault.
const MISALIGNED: u64 = 0x21;
/// Fault status codes of ESR_EL1: translation faults, of the four levels of tables.
const UNMAPPED: core::ops::RangeInclusive<u64> = 4..=7;

// `si_code`s (asm-generic/siginfo.h).
const SI_KERNEL: c_int = 0x80;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;
const BUS_ADRALN: c_int = 1;
const BUS_ADRERR: c_int = 2;

/// An exception, as the processor reports it to the kernel. A handler gets only those of memory: the thread's last one,
/// which the kernel keeps.
#[derive(Clone, Copy)]
pub struct Trap {
    /// The exception's syndrome (ESR_EL1); 0 where there was none.
    syndrome: u64,
    /// The address of the fault.
    pub address: u64,
}

impl Trap {
    /// No exception.
    pub const NONE: Self = Self { syndrome: 0, address: 0 };

    fn class(&self) -> u64 {
        self.syndrome >> 26 & 0x3f
    }

    fn status(&self) -> u64 {
        self.syndrome & 0x3f
    }

    /// What kind of exception it was, if the signal is one that it becomes.
    pub fn kind(&self, signal: c_int) -> Exception {
        match (signal, self.class()) {
            (libc::SIGBUS, MISALIGNED_PC | MISALIGNED_SP) => Exception::Misaligned,
            (libc::SIGBUS, DATA | DATA_SAME_LEVEL) if self.status() == MISALIGNED => Exception::Misaligned,
            (libc::SIGSEGV | libc::SIGBUS, FETCH | FETCH_SAME_LEVEL | DATA | DATA_SAME_LEVEL) => Exception::Memory,
            _ => Exception::Other,
        }
    }

    /// What was tried with the address.
    pub fn access(&self) -> Access {
        const WRITE: u64 = 1 << 6;
        /// An instruction that maintains a cache: the bit for a write is set whatever it does.
        const MAINTENANCE: u64 = 1 << 8;
        match self.class() {
            FETCH | FETCH_SAME_LEVEL => Access::Execute,
            DATA | DATA_SAME_LEVEL if self.syndrome & MAINTENANCE != 0 => Access::Unknown,
            DATA | DATA_SAME_LEVEL if self.syndrome & WRITE != 0 => Access::Write,
            DATA | DATA_SAME_LEVEL => Access::Read,
            _ => Access::Unknown,
        }
    }

    /// The signal that it becomes; where there are two of them, `likely` if it is one of them.
    pub fn signal(&self, likely: c_int) -> Option<c_int> {
        match self.class() {
            MISALIGNED_PC | MISALIGNED_SP => Some(libc::SIGBUS),
            DATA | DATA_SAME_LEVEL if self.status() == MISALIGNED => Some(libc::SIGBUS),
            FETCH | FETCH_SAME_LEVEL | DATA | DATA_SAME_LEVEL if likely == libc::SIGBUS => Some(libc::SIGBUS),
            FETCH | FETCH_SAME_LEVEL | DATA | DATA_SAME_LEVEL => Some(libc::SIGSEGV),
            _ => None,
        }
    }

    /// Whether a siginfo with this code and address is about this exception.
    pub fn agrees(&self, code: c_int, address: u64, _registers: &Registers) -> bool {
        // Without the highest byte, the pointer's tag, which the kernel leaves out of `si_addr`.
        (1..32).contains(&code) && (address ^ self.address) << 8 == 0
    }

    /// Whether what was interrupted is what raises this exception.
    pub fn is_explained(&self, registers: &Registers, read: impl Fn(u64, &mut [u8]) -> bool) -> bool {
        match self.class() {
            FETCH | FETCH_SAME_LEVEL => self.address.wrapping_sub(registers.pc()) < 4,
            MISALIGNED_PC => !registers.pc().is_multiple_of(4),
            DATA | DATA_SAME_LEVEL => super::instruction_at(registers.pc(), read)
                .is_some_and(|code| super::accesses(code, registers, self.address)),
            _ => false,
        }
    }

    /// The code and the address that a siginfo would have had.
    pub fn code_and_address(
        &self,
        signal: c_int,
        _registers: &Registers,
        is_mapped: impl FnOnce(u64) -> bool,
    ) -> (c_int, u64) {
        let code = match self.kind(signal) {
            Exception::Misaligned => BUS_ADRALN,
            _ if signal == libc::SIGBUS => BUS_ADRERR,
            _ if !UNMAPPED.contains(&self.status()) || is_mapped(self.address) => SEGV_ACCERR,
            _ => SEGV_MAPERR,
        };
        (code, self.address)
    }
}

/// Why the processor refused an instruction, where the signal does not say it and there is only one reason.
pub fn cause(
    signal: c_int,
    code: c_int,
    trap: &Trap,
    registers: &Registers,
    read: impl Fn(u64, &mut [u8]) -> bool,
) -> Cause {
    let instruction = super::instruction_at(registers.pc(), read);
    match signal {
        libc::SIGSEGV
            if code != SI_KERNEL
                && trap.access() == Access::Execute
                && !is_canonical(registers.get(PROGRAM_COUNTER)) =>
        {
            Cause::NoTarget(registers.get(PROGRAM_COUNTER))
        }
        // The highest byte of the trap's address is missing: memory accesses ignore it (top byte ignore).
        libc::SIGSEGV if code != SI_KERNEL && trap.access() != Access::Unknown => {
            let address = instruction.and_then(|code| super::address(code, registers));
            match address {
                Some((address, _)) if (address ^ trap.address) << 8 == 0 && !is_canonical(address) => {
                    Cause::NoAddress(address)
                }
                _ => Cause::Unknown,
            }
        }
        libc::SIGILL if code > 0 && instruction.is_some_and(super::is_made_to_fail) => Cause::MadeToFail,
        libc::SIGTRAP if code > 0 && instruction.is_some_and(super::is_breakpoint) => Cause::Breakpoint,
        _ => Cause::Unknown,
    }
}

/// The registers in a signal handler's context.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn registers(context: *const c_void) -> Registers {
    // SAFETY: the caller promises the kernel's ucontext.
    let machine = unsafe { &(*context.cast::<ucontext_t>()).uc_mcontext };
    let mut general = [0; 33];
    for (register, value) in general.iter_mut().zip(machine.regs.iter().chain([&machine.sp, &machine.pc])) {
        *register = *value;
    }
    Registers { general, flags: machine.pstate }
}

/// The thread's last exception, as a signal handler's context has it.
///
/// # Safety
/// `context` points to a readable ucontext.
pub unsafe fn trap(context: *const c_void) -> Trap {
    // SAFETY: the caller promises a readable ucontext. All records that are looked at lie within it, by RECORDS_SIZE.
    trap_in(
        |at| Some(unsafe { core::ptr::with_exposed_provenance::<u64>(at as usize).read() }),
        context.expose_provenance() as u64,
    )
    .unwrap_or(Trap::NONE)
}

/// The thread's last exception, as the ucontext at an address has it. `word` reads memory.
fn trap_in(mut word: impl FnMut(u64) -> Option<u64>, context: u64) -> Option<Trap> {
    let address = word(context.wrapping_add(MACHINE))?;
    let mut at = context.wrapping_add(RECORDS);
    let end = at.wrapping_add(RECORDS_SIZE);
    while at < end {
        let head = word(at)?;
        if head == EXCEPTION_RECORD {
            return Some(Trap { syndrome: word(at.wrapping_add(8))?, address });
        }
        let size = head >> 32;
        if head as u32 == 0 || size < 16 {
            break;
        }
        at = at.wrapping_add(size);
    }
    Some(Trap { syndrome: 0, address })
}

/// The registers and the exception in the ucontext at an address, if it can be one. `word` reads memory.
pub fn context_in(word: impl Fn(u64) -> Option<u64>, context: u64) -> Option<(Registers, Trap)> {
    let registers = registers_in(&word, context)?;
    // The state of a 64-bit program: level 0, and no bit that says otherwise.
    let is_context = word(context.wrapping_add(RECORDS))? == FIRST_RECORD && registers.flags & 0x1f == 0;
    is_context.then_some(())?;
    Some((registers, trap_in(word, context)?))
}

/// Whether the 8 bytes at an address on the stack are those by which a ucontext is found: here the head of its first
/// record. Returns the ucontext's address, and on other processors the address to which its handler returns.
pub fn context_near(address: u64, word: u64) -> Option<(u64, Option<u64>)> {
    (word == FIRST_RECORD && address.is_multiple_of(16)).then(|| (address.wrapping_sub(RECORDS), None))
}

/// Whether the thread is in tgkill(2), by which it has sent itself that signal.
pub fn is_sending(registers: &Registers, _pid: pid_t, tid: pid_t, signal: c_int) -> bool {
    // The first argument's register has the result.
    [1, 2, 8].map(|register| registers.get(register) as u32)
        == [tid, signal, libc::SYS_tgkill as c_int].map(c_int::cast_unsigned)
}

/// Clears a flag by which a program has the processor check the alignment of all accesses: there is none here.
pub fn forget_alignment_check() {}

/// How many bytes before the program counter the instruction is that has raised the signal; `None` where executing it
/// again might not raise the signal again. `is_call` says that it is a system call which was not executed.
pub fn back_to_instruction(
    signal: c_int,
    is_call: bool,
    _trap: &Trap,
    registers: &Registers,
    read: impl Fn(u64, &mut [u8]) -> bool,
) -> Option<i64> {
    let pc = registers.pc();
    let read = &read;
    match signal {
        libc::SIGTRAP if super::instruction_at(pc, read).is_some_and(super::is_breakpoint) => Some(0),
        // The kernel has put the first argument back (kernel/seccomp.c, syscall_rollback).
        libc::SIGSYS if is_call && super::instruction_at(pc.wrapping_sub(4), read) == Some(super::SYSTEM_CALL) => {
            Some(4)
        }
        _ => None,
    }
}

/// Makes the interrupted system call return this.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn set_result(context: *mut c_void, value: i64) {
    // SAFETY: the caller promises the kernel's ucontext.
    let [result, ..] = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext.regs };
    *result = value.cast_unsigned();
}

/// Makes the return from the handler go to that many bytes before the interrupted program counter.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn go_back(context: *mut c_void, bytes: i64) {
    // SAFETY: the caller promises the kernel's ucontext.
    let machine = unsafe { &mut (*context.cast::<ucontext_t>()).uc_mcontext };
    machine.pc = machine.pc.wrapping_sub(bytes.cast_unsigned());
}

/// Raises a signal by an instruction. If the signal is blocked or has its default action, that ends the process, even
/// one that may not send signals. Returns where no instruction raises it.
pub fn raise_by_instruction(signal: c_int) {
    // SAFETY: the process is to end here.
    unsafe {
        match signal {
            libc::SIGSEGV => core::arch::asm!("strb wzr, [{}]", in(reg) 0usize),
            // A jump to an address that is not aligned.
            libc::SIGBUS => core::arch::asm!("adr {0}, .", "add {0}, {0}, #2", "br {0}", out(reg) _),
            libc::SIGILL => core::arch::asm!("udf #0"),
            libc::SIGTRAP => core::arch::asm!("brk #0"),
            _ => {}
        }
    }
}

/// The system call at whose return a signal has come; `None` where none was made just before. `read` reads memory that
/// may not be there.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
pub unsafe fn interrupted_call(
    context: *const c_void,
    _is_readable: impl Fn(u64) -> bool,
    read: impl Fn(u64, &mut [u8]) -> bool,
    _libc: impl Fn() -> Option<(Range<usize>, bool)>,
) -> Option<Interrupted> {
    // SAFETY: the caller promises the kernel's ucontext.
    let registers = unsafe { registers(context) };
    if super::instruction_at(registers.pc().wrapping_sub(4), read) != Some(super::SYSTEM_CALL) {
        return None;
    }
    let register = |number| Some(registers.get(number).cast_signed());
    Some(Interrupted {
        number: register(8),
        result: registers.get(0).cast_signed(),
        arguments: [None, register(1), register(2), register(3), register(4), register(5)],
    })
}

/// Whether a ucontext may belong to a signal that has interrupted code with these registers: if both are on one stack,
/// the frame, which ends behind the records, is below the interrupted stack pointer.
pub fn may_be_below(context: u64, registers: &Registers) -> bool {
    let distance = registers.get(STACK_POINTER).wrapping_sub(context);
    !(1..RECORDS).contains(&distance)
}

/// Whether libc gives the kernel the code that returns from a handler (SA_RESTORER): here the vDSO has it.
pub const LIBC_SETS_RESTORER: bool = false;

/// Offsets in a frame that the kernel makes for a signal, from its lowest address, which is the stack pointer that a
/// handler is called with.
pub mod frame {
    /// The ucontext.
    pub const CONTEXT: usize = super::CONTEXT_IN_FRAME as usize;
    /// The siginfo.
    pub const INFO: usize = 0;
    /// The alternate stack's address.
    pub const STACK: usize = CONTEXT + 16;
    /// The alternate stack's size.
    pub const STACK_SIZE: usize = CONTEXT + 32;
    /// Where [`relay`](crate::arch::relay) stores the handler's address, which it was given in place of a return
    /// address: uc_link, where the kernel writes 0.
    pub const MARK: usize = CONTEXT + 8;
    const REGISTERS: usize = CONTEXT + super::REGISTERS as usize;
    /// The interrupted stack pointer.
    pub const STACK_POINTER: usize = REGISTERS + 31 * 8;
    /// The interrupted program counter.
    pub const PROGRAM_COUNTER: usize = REGISTERS + 32 * 8;
    /// The registers of the first three arguments.
    pub const ARGUMENTS: [usize; 3] = [REGISTERS, REGISTERS + 8, REGISTERS + 16];
    /// The register that a return address is in.
    pub const LINK: Option<usize> = Some(REGISTERS + 30 * 8);
    const RECORDS: usize = CONTEXT + super::RECORDS as usize;
    /// Frames are aligned to this, in bytes.
    pub const STEP: usize = 16;
    /// Smallest size of a frame, in bytes.
    pub const LEAST: usize = RECORDS + 528;
    /// Bytes that the interrupted function may use below its stack pointer.
    pub const RED_ZONE: usize = 0;

    /// After a frame was copied from `from` to `to`: corrects the pointers in it that point into the frame. Where the
    /// processor's state has no room among the records (SVE, SME), a record points to the rest of it.
    ///
    /// # Safety
    /// At `to` is a copy of a frame of the kernel of that size.
    pub unsafe fn relocate(from: usize, to: usize, size: usize) {
        /// EXTRA_MAGIC (asm/sigcontext.h)
        const EXTRA: u32 = 0x4558_5401;
        let mut at = to + RECORDS;
        while at + 24 <= to + size && at < to + RECORDS + super::RECORDS_SIZE as usize {
            let record = core::ptr::with_exposed_provenance_mut::<u32>(at);
            // SAFETY: `at` and the record's head lie within the copy, as the loop's condition says.
            unsafe {
                let (magic, length) = (record.read(), record.add(1).read() as usize);
                if magic == EXTRA {
                    let pointer = record.add(2).cast::<usize>();
                    pointer.write(pointer.read().wrapping_sub(from).wrapping_add(to));
                }
                if magic == 0 || length < 16 {
                    return;
                }
                at += length;
            }
        }
    }

    /// If a signal has interrupted the relay in its first two instructions, before it has marked its frame: that frame,
    /// and the handler's address, which is in the interrupted link register.
    ///
    /// # Safety
    /// `frame` is the interrupting signal's, made by the kernel.
    pub unsafe fn unmarked(frame: usize, relay: usize) -> Option<(usize, usize)> {
        // SAFETY: the caller promises a frame of the kernel, within which these registers are.
        let at = |offset: usize| unsafe { core::ptr::with_exposed_provenance::<usize>(frame + offset).read() };
        let [_, _, context] = ARGUMENTS.map(at);
        (relay..relay + 8).contains(&at(PROGRAM_COUNTER)).then(|| (context - CONTEXT, LINK.map_or(0, at)))
    }
}
