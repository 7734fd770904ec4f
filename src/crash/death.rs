//! The end that the process would have had without us.

use libc::{c_int, c_void, pid_t, siginfo_t};

use super::{handler, ownership};
use crate::platform::{self, Fault};

/// Makes the return from the handler the end of the process.
///
/// The signal is sent again with its original siginfo while it is blocked. The return restores the registers of the
/// crash and unblocks it: it is delivered before the next instruction, and a core file shows the crash itself.
///
/// # Safety
/// `info` and `context` are what the kernel gave to the running handler.
pub unsafe fn prepare(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t, context: *mut c_void) {
    let signal = fault.signal;
    ownership::give_up(signal);
    // An instruction that faults would do so again. But another thread may have repaired what it found, and the first
    // process of a pid namespace can only die in that way.
    if pid == 1 {
        if !fault.is_by_instruction() {
            platform::exit_now(128 + signal);
        }
        // SAFETY: as promised.
        unsafe { platform::unblock_on_return(context, signal) };
        return;
    }
    if platform::will_fault_again(fault) {
        // SAFETY: as promised.
        return unsafe { platform::unblock_on_return(context, signal) };
    }
    platform::block(u64::MAX);
    // SAFETY: as promised.
    unsafe {
        if !platform::send_again(pid, tid, signal, info) {
            platform::send(pid, tid, signal);
        }
        platform::unblock_on_return(context, signal);
    }
    if !platform::is_pending(signal) && !fault.is_by_instruction() {
        end(signal);
    }
}

/// When signals can't be sent (seccomp): the status that a shell shows for them.
fn end(signal: c_int) -> ! {
    platform::exit_now(128 + signal)
}

/// Dies of the crash under report at once, from a crash in the report.
pub fn now() -> ! {
    let incident = handler::incident();
    let signal = incident.raised.signal;
    ownership::give_up(signal);
    platform::block(u64::MAX);
    // SAFETY: a copy of what the kernel gave us.
    if !unsafe { platform::send_again(incident.pid, incident.tid, signal, (&raw const incident.info).cast()) } {
        platform::send(incident.pid, incident.tid, signal);
    }
    platform::block(!(1 << (signal - 1)));
    end(signal)
}
