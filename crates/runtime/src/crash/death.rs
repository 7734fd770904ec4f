//! The end that the process would have had without us.

use libc::{SIGSYS, c_int, c_void, pid_t, siginfo_t};

use super::incident::incident;
use super::ownership;
use crate::platform::is_own_process;
use crate::platform::{self, Fault};

/// Makes the return from the handler the end of the process.
///
/// The signal is sent again with its original siginfo while it is blocked. The return restores the registers of the
/// crash and unblocks it: it is delivered before the next instruction, and a core file shows the crash itself.
///
/// Where signals can't be sent (a sandbox) or would be dropped (the first process of a PID namespace), the instruction that raised
/// the signal is executed once more. Elsewhere it is not, since another thread may have repaired what made it fault.
///
/// # Safety
/// `info` and `context` are what the kernel gave to the running handler.
pub unsafe fn prepare(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t, context: *mut c_void) {
    let signal = fault.signal;
    // In a child by vfork, whose own copy has ended, this would end the parent's.
    let end_copy = || {
        if is_own_process() {
            platform::end_copy()
        }
    };
    if !ownership::restore_default(signal) {
        block_all(signal);
        end_copy();
        end(signal);
    }
    if pid == 1 && !fault.is_forced() {
        end_copy();
        // Only abort comes here, which then ends the process itself.
        return ownership::let_abort_end();
    }
    // SAFETY: the caller promises the kernel's siginfo and context, and this is the handler that they were given to.
    unsafe {
        // Valgrind tells the stack of a fault, and not always that of a signal that was sent. But most of the registers that it gives a
        // handler are those of an earlier instruction: with these the faulting one may succeed.
        let comes_again =
            platform::is_on_valgrind() && platform::is_explained(fault) && platform::execute_again(fault, context)
                || platform::ENDS_BY_INSTRUCTION && platform::would_fault_again(fault);
        if !comes_again {
            block_all(signal);
            let sent = pid != 1 && send(pid, tid, signal, info);
            if !sent && !platform::execute_again(fault, context) {
                end(signal);
            }
        }
        // The threads that the copy has stopped run on until the process has died.
        end_copy();
        platform::unblock_on_return(context, signal);
    }
}

/// Blocks all signals, so that the one that is sent comes at the return from the handler. But not SIGSYS: if that is blocked, a
/// system call of ours that a filter traps ends the process, instead of failing.
fn block_all(signal: c_int) {
    let open = if signal == SIGSYS { 0 } else { 1 << (SIGSYS - 1) };
    platform::block(!open | platform::pending_signals());
}

/// Sends the signal to the calling thread, where it is blocked; whether it will come.
///
/// # Safety
/// `info` is what the kernel gave to a handler.
unsafe fn send(pid: pid_t, tid: pid_t, signal: c_int, info: *const siginfo_t) -> bool {
    // Valgrind takes a signal with the siginfo of a fault for a fault of its own, and keeps what is blocked to itself.
    if platform::is_on_valgrind() {
        return platform::send(pid, tid, signal);
    }
    // SAFETY: the caller promises the kernel's siginfo, or a copy of it.
    let is_sent = unsafe { platform::send_again(pid, tid, signal, info) } || platform::send(pid, tid, signal);
    is_sent && platform::is_pending(signal)
}

/// Dies of the crash under report at once: after a crash in the report, or at its deadline. `signal` is the one that has come now.
pub fn now(signal: c_int) -> ! {
    if !is_own_process() {
        // The incident is the parent's.
        if ownership::restore_default(signal) {
            block_all(signal);
            platform::send(platform::pid(), platform::tid(), signal);
            platform::block(!(1 << (signal - 1)));
        }
        block_all(signal);
        end(signal)
    }
    let incident = incident();
    let signal = incident.raised.signal;
    let is_default = ownership::restore_default(signal);
    block_all(signal);
    platform::end_copy();
    // SAFETY: a copy of what the kernel gave us.
    if is_default && unsafe { send(incident.pid, incident.tid, signal, (&raw const incident.info).cast()) } {
        platform::block(!(1 << (signal - 1) | 1 << (SIGSYS - 1)));
    }
    end(signal)
}

/// The same where our own code can't go on: without another call that may fail.
pub fn without_report(signal: c_int) -> ! {
    block_all(signal);
    end(signal)
}

/// Ends the process by an instruction that raises the signal: since that is blocked, the process ends even if it has a handler. Where
/// no instruction raises it, by the exit status that a shell shows for the signal.
pub fn end(signal: c_int) -> ! {
    platform::raise_by_instruction(signal);
    platform::exit_now(128 + signal)
}
