//! The guard handler: what the kernel has for SIGPIPE whenever SIG_IGN would be wrong.
//!
//! If the signal came because a socket is broken, it is counted and nothing else happens. Otherwise the guard handler
//! does what the program has asked for. `policy::outcome` has the table.

use libc::{
    SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO, SIG_DFL, SIG_IGN, SIGPIPE, c_int, c_void, siginfo_t,
};

use super::{Broken, SIGNAL, log, system};
use crate::arch;
use crate::platform::{self, Action, is_own_process};
use crate::signals::Request;
use crate::state::Call;
use policy::{Broke, Disposition, Outcome};

/// The guard handler's address, as the kernel is given it.
pub fn address() -> usize {
    guard_entry as *const () as usize
}

/// What the kernel calls: [`guard`], on an aligned stack.
#[unsafe(naked)]
unsafe extern "C" fn guard_entry(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(guard)
}

/// The action that has the kernel call the guard handler, for what the program has asked for. If that is a handler, its
/// mask and its flags are kept, so that it runs on the stack that it has asked for, with those signals blocked.
pub fn action(requested: &Request) -> Action {
    if !platform::SIGPIPE_IS_SYNCHRONOUS && requested.handler != SIG_IGN {
        // On macOS no socket raises the signal, since each has SO_NOSIGPIPE. What else raises it is for the program to
        // handle.
        return requested.action;
    }
    let (flags, mask) = if requested.is_handler() {
        (requested.flags & (SA_ONSTACK | SA_RESTART | SA_NODEFER), requested.mask)
    } else {
        (SA_ONSTACK | SA_RESTART, 0)
    };
    Action { handler: address(), flags: flags | SA_SIGINFO, mask, ..requested.action }
}

/// The handler. It may be interrupted by any other, and the program's handler, which it may call, may leave it by
/// siglongjmp(3): so nothing here is held.
///
/// # Safety
/// To be called as the kernel calls a handler with SA_SIGINFO.
unsafe extern "C" fn guard(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = platform::errno();
    // SAFETY: `action` always sets SA_SIGINFO, so these are the kernel's siginfo and context, which live until the
    // handler returns.
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
            // SAFETY: the program has set this address as its handler, and SA_SIGINFO in its flags says which arguments
            // that one takes. The pointers are the kernel's.
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

/// Ends the process by SIGPIPE. Returns only in process 1 of a pid namespace: the kernel drops its signals that have
/// the default action (pid_namespaces(7)). Without us its call would have failed with EPIPE, too.
#[cold]
#[inline(never)]
fn die() {
    platform::set_action(SIGPIPE, &Action::plain(SIG_DFL));
    platform::raise_unblocked(SIGPIPE);
    SIGNAL.apply();
}
