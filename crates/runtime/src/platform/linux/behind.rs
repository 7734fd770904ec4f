//! What a fault was: why the processor refused an instruction, and which fault a program's own handler has raised again.

use super::freestanding::own_call;
use libc::c_int;

use super::{Fault, PAGE, pid, read_memory};
use crate::arch::{self, Access, Cause, INFO_FROM_CONTEXT, Registers, SIGNAL_RETURN, Trap};

/// Bytes of a stack that are searched: enough for the frames of a handler that prints a stack trace.
const SEARCHED: u64 = 1 << 20;

/// Eight bytes of memory that may not be there.
fn u64_at(address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    read(address, &mut bytes).then(|| u64::from_le_bytes(bytes))
}

/// Reads memory that may not be there; whether all of it was.
fn read(address: u64, bytes: &mut [u8]) -> bool {
    read_memory(pid(), address, bytes) == bytes.len()
}

/// Why the processor refused an instruction, where the signal does not say it and there is only one reason.
pub fn cause(fault: &Fault) -> Cause {
    arch::cause(fault.signal, fault.code, &fault.trap, &fault.registers, read)
}

/// Whether the registers are those with which the interrupted instruction has faulted.
pub fn is_explained(fault: &Fault) -> bool {
    fault.trap.is_explained(&fault.registers, read)
}

/// The fault whose handler has raised a signal: a program's own handler that prints something, restores the default action and raises
/// the signal again, or calls abort(3). `None` where that is not certain.
///
/// The kernel keeps a thread's last exception and reports it with every later signal, so that this alone proves nothing: the
/// interrupted instruction has to be one that raises it, or the siginfo, which the kernel writes only for handlers with
/// SA_SIGINFO, has to say the same.
pub fn fault_behind(raised: &Fault) -> Option<Fault> {
    if raised.code > 0 || raised.sender != pid() {
        return None;
    }
    // The signal was blocked until the handler returned: what is interrupted is the instruction that faulted.
    if let Some(signal) = raised.trap.signal(raised.signal)
        && signal == raised.signal
        && raised.trap.is_explained(&raised.registers, read)
    {
        return Some(by_trap(signal, raised.trap, raised.registers));
    }
    // The handler's frame is still there.
    fault_on_stack(raised.registers.sp(), raised.signal)
}

/// Whether that thread of that process has sent itself the signal (raise, abort, pthread_kill): then it is still in tgkill(2).
pub fn is_raised_by(pid: libc::pid_t, tid: libc::pid_t, raised: &Fault) -> bool {
    arch::is_sending(&raised.registers, pid, tid, raised.signal)
}

/// The innermost fault whose handler has not returned, by the frames that the kernel has made on the stack. `raised` is the signal that
/// the handler has raised: where there is no siginfo, a page fault counts as that one of SIGSEGV and SIGBUS.
#[inline(never)]
pub fn fault_on_stack(sp: u64, raised: c_int) -> Option<Fault> {
    let mut at = sp.next_multiple_of(8);
    let end = at.saturating_add(SEARCHED);
    // Small: this runs on the program's alternate stack, and those of Rust programs have 8 KiB.
    let mut buffer = [0; 512];
    let mut restorer = 0;
    while at < end {
        // Up to the end of a page: what is behind it may not be there.
        let length = buffer.len().min(PAGE - at as usize % PAGE);
        let part = buffer.get_mut(..length)?;
        if read_memory(pid(), at, part) != length {
            break;
        }
        for (index, bytes) in part.chunks_exact(8).enumerate() {
            let address = at + index as u64 * 8;
            let value = bytes.try_into().map_or(0, u64::from_le_bytes);
            let Some((context, returns_to)) = arch::context_near(address, value) else { continue };
            // A ucontext begins with flags that are smaller than 256 and a null pointer (uc_link), which little else on a stack does.
            let mut start = [0; 16];
            let looks_so = |start: &[u8]| start.iter().skip(1).all(|&byte| byte == 0);
            let within = context.checked_sub(at).and_then(|from| part.get(from as usize..from as usize + 16));
            let is_frame =
                within.map_or_else(|| context >= sp && read(context, &mut start) && looks_so(&start), looks_so);
            if is_frame
                && returns_to.is_none_or(|address| is_signal_return(address, &mut restorer))
                && let Some(fault) = fault_in_context(context, raised)
            {
                return Some(fault);
            }
        }
        at += length as u64;
    }
    None
}

/// Whether a signal handler returns to that address; `known` is the last address for which that was so.
fn is_signal_return(address: u64, known: &mut u64) -> bool {
    let mut code = [0; SIGNAL_RETURN.len()];
    let is = *known == address || read_memory(pid(), address, &mut code) == code.len() && code == SIGNAL_RETURN;
    if is {
        *known = address;
    }
    is
}

/// The fault that a signal handler was called for, by its ucontext; `None` where it is not certain that it was a fault.
#[inline(never)]
pub fn fault_in_context(context: u64, raised: c_int) -> Option<Fault> {
    let (registers, trap) = arch::context_in(u64_at, context)?;
    if !arch::may_be_below(context, &registers) {
        return None;
    }
    let mut info = [0; 24];
    let told = read(context.wrapping_add_signed(INFO_FROM_CONTEXT), &mut info);
    let number = |at: usize| info.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_le_bytes);
    let address = info.get(16..).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (signal, code) = (number(0), number(8));
    let agrees = told
        && number(4) == 0
        && code > 0
        && trap.signal(signal) == Some(signal)
        && trap.agrees(code, address, &registers);
    if agrees {
        let access = if matches!(signal, libc::SIGSEGV | libc::SIGBUS) { trap.access() } else { Access::Unknown };
        return Some(Fault { signal, code, address, access, trap, registers, ..Fault::NONE });
    }
    let signal = trap.signal(raised)?;
    trap.is_explained(&registers, read).then(|| by_trap(signal, trap, registers))
}

/// A fault without a siginfo, with the code and the address that it would have had.
fn by_trap(signal: c_int, trap: Trap, registers: Registers) -> Fault {
    let (code, address) = trap.code_and_address(signal, &registers, is_mapped);
    let access = if matches!(signal, libc::SIGSEGV | libc::SIGBUS) { trap.access() } else { Access::Unknown };
    Fault { signal, code, address, access, trap, registers, ..Fault::NONE }
}

/// Whether anything is mapped there, whatever may be done with it.
fn is_mapped(address: u64) -> bool {
    let mut answer = 0u8;
    // SAFETY: one byte for one page; only the kernel's tables are looked at.
    let result = unsafe { own_call(libc::SYS_mincore, address & !(arch::page_size() as u64 - 1), 1, &raw mut answer) };
    result == 0 || super::errno() != libc::ENOMEM
}
