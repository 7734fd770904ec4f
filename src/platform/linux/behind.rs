//! What a fault was: why the processor refused an instruction, and which fault a program's own handler has raised again.

use libc::c_int;

use super::{Fault, PAGE, pid, read_memory};
use crate::arch::{
    ADDRESS_IN_CONTEXT, ALIGNMENT_CHECK, Access, BREAKPOINT, Cause, DIVIDE_ERROR, ERROR_IN_CONTEXT, FLAGS_IN_CONTEXT,
    FLOATING_POINT, GENERAL_PROTECTION, GREGS, IN_CONTEXT, INVALID_OPCODE, Instruction, PAGE_FAULT, PROGRAM_COUNTER,
    Registers, SELECTORS_IN_CONTEXT, SIGINFO, SIGNAL_RETURN, SIMD, STACK_POINTER, STACK_SEGMENT, TRAP_IN_CONTEXT, Trap,
    executes, is_canonical,
};

/// No exception has a higher number.
const MOST: u64 = 32;

const SI_KERNEL: c_int = 0x80;
const SEGV_MAPERR: c_int = 1;
const SEGV_ACCERR: c_int = 2;
const SEGV_PKUERR: c_int = 4;
const BUS_ADRERR: c_int = 2;
const FPE_INTDIV: c_int = 1;
const ILL_ILLOPN: c_int = 2;

/// Words that are looked at of a frame: all of the registers.
const WORDS: usize = GREGS as usize / 8 + 23;
/// How much of a stack is searched: the frames of a handler that prints a stack trace.
const SEARCHED: u64 = 1 << 20;

fn word(address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (read_memory(pid(), address, &mut bytes) == 8).then(|| u64::from_le_bytes(bytes))
}

fn instruction(registers: &Registers) -> Option<Instruction> {
    Instruction::decode(registers, |address| {
        let mut byte = [0];
        (is_canonical(address) && read_memory(pid(), address, &mut byte) == 1).then_some(byte).map(|[byte]| byte)
    })
}

/// Why the processor refused an instruction, where the signal does not say it and there is only one reason.
pub fn cause(fault: &Fault) -> Cause {
    let registers = &fault.registers;
    match (fault.signal, fault.code, fault.trap.number) {
        (libc::SIGSEGV, SI_KERNEL, GENERAL_PROTECTION) | (libc::SIGBUS, SI_KERNEL, STACK_SEGMENT) => {
            if !is_canonical(registers.pc()) {
                return Cause::NoTarget(registers.pc());
            }
            let cause = instruction(registers).map(|instruction| instruction.why_refused(registers, word));
            // The kernel says the same when it can't call a handler, and the exception may be an earlier one.
            match cause {
                None | Some(Cause::Unknown) if fault.signal == libc::SIGSEGV => Cause::Protection,
                cause => cause.unwrap_or(Cause::Unknown),
            }
        }
        (libc::SIGFPE, FPE_INTDIV, DIVIDE_ERROR) => instruction(registers)
            .map_or(Cause::DividedByZeroOrTooLarge, |instruction| instruction.why_division_failed(registers, word)),
        (libc::SIGILL, 1.., INVALID_OPCODE) if instruction(registers).is_some_and(|it| it.is_made_to_fail()) => {
            Cause::MadeToFail
        }
        (libc::SIGTRAP, SI_KERNEL, BREAKPOINT) => Cause::Breakpoint,
        _ => Cause::Unknown,
    }
}

/// The fault whose handler has raised a signal: a program's own handler that prints something, goes back to the default
/// action and raises the signal again, or calls abort(3). Only what must have been so is told.
///
/// The kernel keeps a thread's last exception and tells it with every later signal, so that alone is no evidence: the
/// interrupted instruction has to be one that raises it, or the siginfo, which the kernel writes only for handlers with
/// SA_SIGINFO, has to say the same.
pub fn fault_behind(raised: &Fault) -> Option<Fault> {
    if raised.code > 0 || raised.sender != pid() {
        return None;
    }
    // The signal was blocked until the handler returned: what is interrupted is the instruction that faulted.
    if let Some(signal) = signal_of(&raised.trap, raised.signal)
        && signal == raised.signal
        && is_explained(&raised.trap, &raised.registers)
    {
        return Some(by_trap(signal, raised.trap, raised.registers));
    }
    // The handler's frame is still there.
    fault_on_stack(raised.registers.sp(), raised.signal)
}

/// Whether that thread of that process has sent itself the signal (raise, abort, pthread_kill): it is in tgkill(2) still.
pub fn is_raised_by(pid: libc::pid_t, tid: libc::pid_t, raised: &Fault) -> bool {
    // rdi, rsi, rdx
    let arguments = [5, 4, 1].map(|register| raised.registers.get(register) as u32);
    arguments == [pid, tid, raised.signal].map(c_int::cast_unsigned)
}

/// The innermost fault whose handler has not returned, by what the kernel has left on the stack. `raised` is what the
/// handler has raised: of SIGSEGV and SIGBUS only a siginfo tells which was it otherwise.
pub fn fault_on_stack(sp: u64, raised: c_int) -> Option<Fault> {
    let mut at = sp.next_multiple_of(8);
    let end = at.saturating_add(SEARCHED);
    let mut buffer = [0; PAGE / 2];
    let mut restorer = 0;
    while at < end {
        // Up to the end of a page: what is behind it may not be there.
        let length = buffer.len().min(PAGE - at as usize % PAGE);
        let part = buffer.get_mut(..length)?;
        if read_memory(pid(), at, part) != length {
            break;
        }
        for (index, bytes) in part.chunks_exact(8).enumerate() {
            let place = at + index as u64 * 8;
            let value = bytes.try_into().map_or(0, u64::from_le_bytes);
            // The kernel aligns what comes behind the return address.
            if place % 16 != 8 || value < PAGE as u64 || !is_canonical(value) {
                continue;
            }
            // Flags, all of them small, and no link to another context: few other places look so.
            let looks_so = |start: &[u8]| start.iter().skip(1).all(|&byte| byte == 0);
            let is_frame = match part.get(index * 8 + 8..index * 8 + 24) {
                Some(start) => looks_so(start),
                None => {
                    let mut start = [0; 16];
                    read_memory(pid(), place + 8, &mut start) == 16 && looks_so(&start)
                }
            };
            if is_frame
                && is_signal_return(value, &mut restorer)
                && let Some(fault) = fault_in_context(place + 8, raised)
            {
                return Some(fault);
            }
        }
        at += length as u64;
    }
    None
}

/// Whether a signal handler returns to that address; `known` is one that was found.
fn is_signal_return(address: u64, known: &mut u64) -> bool {
    let mut code = [0; SIGNAL_RETURN.len()];
    let is = *known == address || read_memory(pid(), address, &mut code) == code.len() && code == SIGNAL_RETURN;
    if is {
        *known = address;
    }
    is
}

/// The fault that a signal handler's context tells of, if it surely tells of one.
pub fn fault_in_context(context: u64, raised: c_int) -> Option<Fault> {
    let mut bytes = [0; WORDS * 8];
    if read_memory(pid(), context, &mut bytes) != bytes.len() {
        return None;
    }
    let greg = |index: usize| {
        let at = GREGS as usize + index * 8;
        bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    };
    // Code of a 64-bit program.
    if greg(SELECTORS_IN_CONTEXT) & 0xffff != 0x33 {
        return None;
    }
    let registers = Registers { general: IN_CONTEXT.map(greg), flags: greg(FLAGS_IN_CONTEXT) };
    let trap = Trap { number: greg(TRAP_IN_CONTEXT), error: greg(ERROR_IN_CONTEXT), address: greg(ADDRESS_IN_CONTEXT) };
    let distance = registers.get(STACK_POINTER).wrapping_sub(context);
    if trap.number >= MOST || !is_canonical(registers.get(PROGRAM_COUNTER)) && trap.number != GENERAL_PROTECTION {
        return None;
    }
    // Between a frame and what it has interrupted is at least the red zone, where they are on one stack.
    if (1..128).contains(&distance) {
        return None;
    }
    let mut info = [0; 24];
    let told = read_memory(pid(), context + SIGINFO, &mut info) == info.len();
    let number = |at: usize| info.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_le_bytes);
    let address = info.get(16..).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (signal, code) = (number(0), number(8));
    let agrees = told
        && number(4) == 0
        && code > 0
        && signal_of(&trap, signal) == Some(signal)
        && match trap.number {
            PAGE_FAULT => address == trap.address && code < 32,
            GENERAL_PROTECTION | STACK_SEGMENT | BREAKPOINT => code == SI_KERNEL,
            _ => address == registers.pc() && code < 32,
        };
    if agrees {
        let access = if matches!(signal, libc::SIGSEGV | libc::SIGBUS) { trap.access() } else { Access::Unknown };
        return Some(Fault { signal, code, address, access, trap, registers, ..Fault::NONE });
    }
    let signal = signal_of(&trap, raised)?;
    is_explained(&trap, &registers).then(|| by_trap(signal, trap, registers))
}

/// The signal that an exception becomes; where there are two of them, `likely` if it is one of them.
fn signal_of(trap: &Trap, likely: c_int) -> Option<c_int> {
    match trap.number {
        PAGE_FAULT if likely == libc::SIGBUS => Some(libc::SIGBUS),
        PAGE_FAULT | GENERAL_PROTECTION => Some(libc::SIGSEGV),
        DIVIDE_ERROR | FLOATING_POINT | SIMD => Some(libc::SIGFPE),
        BREAKPOINT => Some(libc::SIGTRAP),
        INVALID_OPCODE => Some(libc::SIGILL),
        STACK_SEGMENT | ALIGNMENT_CHECK => Some(libc::SIGBUS),
        _ => None,
    }
}

/// Whether what was interrupted is what raises this exception.
fn is_explained(trap: &Trap, registers: &Registers) -> bool {
    if trap.number == PAGE_FAULT && trap.error & 16 != 0 {
        return executes(registers, trap.address);
    }
    if trap.number == BREAKPOINT {
        let mut before = [0];
        return read_memory(pid(), registers.pc().wrapping_sub(1), &mut before) == 1 && before == [0xcc];
    }
    if trap.number == GENERAL_PROTECTION && !is_canonical(registers.pc()) {
        return true;
    }
    let Some(instruction) = instruction(registers) else { return false };
    match trap.number {
        PAGE_FAULT => instruction.accesses(trap.address),
        GENERAL_PROTECTION | STACK_SEGMENT => instruction.why_refused(registers, word) != Cause::Unknown,
        DIVIDE_ERROR => instruction.divides(),
        INVALID_OPCODE => instruction.is_made_to_fail(),
        _ => false,
    }
}

/// A fault, where there is no siginfo: what it would have said.
fn by_trap(signal: c_int, trap: Trap, registers: Registers) -> Fault {
    let (code, address) = match (trap.number, signal) {
        (PAGE_FAULT, libc::SIGBUS) => (BUS_ADRERR, trap.address),
        (PAGE_FAULT, _) if trap.error & 32 != 0 => (SEGV_PKUERR, trap.address),
        (PAGE_FAULT, _) if trap.error & 1 != 0 || is_mapped(trap.address) => (SEGV_ACCERR, trap.address),
        (PAGE_FAULT, _) => (SEGV_MAPERR, trap.address),
        (DIVIDE_ERROR, _) => (FPE_INTDIV, registers.pc()),
        (INVALID_OPCODE, _) => (ILL_ILLOPN, registers.pc()),
        _ => (SI_KERNEL, 0),
    };
    let access = if matches!(signal, libc::SIGSEGV | libc::SIGBUS) { trap.access() } else { Access::Unknown };
    Fault { signal, code, address, access, trap, registers, ..Fault::NONE }
}

/// Whether anything is mapped there, whatever may be done with it.
fn is_mapped(address: u64) -> bool {
    let mut answer = 0u8;
    // SAFETY: one byte for one page; only the kernel's tables are looked at.
    let result = unsafe { libc::syscall(libc::SYS_mincore, address & !(PAGE as u64 - 1), 1, &raw mut answer) };
    result == 0 || super::errno() != libc::ENOMEM
}
