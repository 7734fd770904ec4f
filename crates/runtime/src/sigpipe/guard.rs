//! The guard handler: what the kernel has for SIGPIPE whenever SIG_IGN would be wrong.
//!
//! A socket broke: swallowed, and counted. Anything else: what the program has asked for.

use libc::{
    SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO, SIG_DFL, SIG_IGN, SIGPIPE, c_int, c_void, siginfo_t,
};

use super::{Broken, SIGNAL, log, system};
use crate::arch;
use crate::platform::{self, Action, is_own_process};
use crate::signals::Request;
use crate::state::Call;
use policy::{Broke, Disposition, Outcome};

pub fn address() -> usize {
    guard_entry as *const () as usize
}

#[unsafe(naked)]
unsafe extern "C" fn guard_entry(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(guard)
}

/// The guard handler in place of what the program has asked for. The mask and the flags of a program's handler go to the kernel
/// with it, so that the handler runs on the stack and with the signals blocked that it asked for.
pub fn action(requested: &Request) -> Action {
    if !platform::SIGPIPE_IS_SYNCHRONOUS && requested.handler != SIG_IGN {
        // No socket raises the signal there, and whatever else does is the program's business.
        return requested.action;
    }
    let (flags, mask) = if requested.is_handler() {
        (requested.flags & (SA_ONSTACK | SA_RESTART | SA_NODEFER), requested.mask)
    } else {
        (SA_ONSTACK | SA_RESTART, 0)
    };
    Action { handler: address(), flags: flags | SA_SIGINFO, mask, ..requested.action }
}

unsafe extern "C" fn guard(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = platform::errno();
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    let broken = unsafe { system::broken(info, context) };
    let requested = SIGNAL.believed();
    let (broke, call, fd) = match broken {
        Broken::Socket(call, fd) => (Broke::Socket, call, fd),
        Broken::Other(call, fd) => (Broke::Pipe, call, fd),
        Broken::Nothing => (Broke::Nothing, Call::Other, -1),
    };
    let disposition = match requested.handler {
        SIG_DFL => Disposition::Default,
        SIG_IGN => Disposition::Ignore,
        _ => Disposition::Handler,
    };
    match policy::outcome(broke, disposition) {
        Outcome::Survive => log::survived(call, fd),
        Outcome::Swallow => {}
        Outcome::Die => die(),
        Outcome::Call => {
            if requested.flags & SA_RESETHAND != 0 && is_own_process() {
                let reset = Request { action: Action { handler: SIG_DFL, ..requested.action }, ..requested };
                SIGNAL.replace(|now| if *now == requested { reset } else { *now });
            }
            platform::set_errno(errno);
            // The program's handler may leave by siglongjmp: nothing here is held.
            // SAFETY: the program installed this address as a handler of the kind that its flags say.
            unsafe {
                if requested.flags & SA_SIGINFO != 0 {
                    let handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                        core::mem::transmute(requested.handler);
                    handler(signal, info, context);
                } else {
                    let handler: unsafe extern "C" fn(c_int) = core::mem::transmute(requested.handler);
                    handler(signal);
                }
            }
            return;
        }
    }
    platform::set_errno(errno);
}

/// Dies of SIGPIPE. Returns only as PID 1 of its namespace, to which the kernel does not give signals with the default
/// action; without us, the call would have returned EPIPE to it as well.
#[cold]
#[inline(never)]
fn die() {
    platform::set_action(SIGPIPE, &Action::plain(SIG_DFL));
    platform::raise_unblocked(SIGPIPE);
    SIGNAL.apply();
}
