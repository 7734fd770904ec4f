//! The actions of the crash signals: the default action becomes "report, then default action", and the program believes that
//! it is as ever.
//!
//! A handler that the program sets by sigaction(2) goes to the kernel as it is: the program owns the signal. Only where
//! its return would matter to us, the trampoline (`handler.rs`) stands in front of it.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use libc::{
    SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_SIGINFO, SIG_DFL, SIG_IGN, SIGABRT, SIGBUS, SIGFPE, SIGILL,
    SIGSEGV, SIGSYS, SIGTRAP, c_int,
};

use super::settings::{CRASH_SIGNALS, options};
use crate::platform::{self, Action, is_own_process};
use crate::signals::{Origin, Owned, Request, Rules};
use crate::state::STATE;
use settings::options::Crash;

const RULES: Rules =
    Rules { kernel_action, requested, is_ours, vm_childs_default: handler_action, changed: publish_belief };
/// abort(3) raises SIGABRT and dies if the handler returns: that return is to be seen. SIGSYS may come for a call that a report
/// makes and a filter traps: that is no affair of the program's handler.
const RULES_IN_FRONT: Rules = Rules { kernel_action: kernel_action_in_front, ..RULES };

/// In the order of `options::CRASH_SIGNALS`.
static SIGNALS: [Owned; 7] = [
    Owned::new(SIGSEGV, RULES),
    Owned::new(SIGBUS, RULES),
    Owned::new(SIGILL, RULES),
    Owned::new(SIGFPE, RULES),
    Owned::new(SIGABRT, RULES_IN_FRONT),
    Owned::new(SIGTRAP, RULES),
    Owned::new(SIGSYS, RULES_IN_FRONT),
];

/// Addresses of the handlers, which know this file.
#[derive(Clone, Copy)]
pub struct Entries {
    /// In place of the default action.
    pub handler: usize,
    /// In front of a handler of the program.
    pub trampoline: usize,
    /// In a copy, for system calls that a sandbox traps.
    pub forbidden_call: usize,
}

/// What [`start`] was given.
static HANDLER: AtomicUsize = AtomicUsize::new(0);
static TRAMPOLINE: AtomicUsize = AtomicUsize::new(0);
static FORBIDDEN_CALL: AtomicUsize = AtomicUsize::new(0);

/// Set when the process is about to die: the kernel gets the default action, whatever is asked for.
static DYING: AtomicBool = AtomicBool::new(false);

/// The place of a signal in [`SIGNALS`].
fn index_of(signal: c_int) -> Option<usize> {
    Some(match signal {
        SIGSEGV => 0,
        SIGBUS => 1,
        SIGILL => 2,
        SIGFPE => 3,
        SIGABRT => 4,
        SIGTRAP => 5,
        SIGSYS => 6,
        _ => return None,
    })
}

/// The owned signal of this number.
pub fn owned(signal: c_int) -> Option<&'static Owned> {
    SIGNALS.get(index_of(signal)?).filter(|owned| owned.is_active())
}

/// Tells `nosigpipe status` what the program believes, and notes whether that is the default action.
fn publish_belief(signal: c_int, believed: &Action) {
    platform::note_default(signal, believed.handler == SIG_DFL);
    if believed.is_handler()
        && platform::masks_stand_in()
        && let Some(owned) = owned(signal)
    {
        // Since a moment ago, perhaps.
        owned.apply();
    }
    if let Some(slot) = index_of(signal).and_then(|index| STATE.crash_beliefs.get(index)) {
        slot.store(believed.handler as u64, Relaxed);
    }
}

/// Takes over the signals whose bits are set. For the constructor.
pub fn start(selected: u8, entries: Entries) {
    HANDLER.store(entries.handler, Relaxed);
    TRAMPOLINE.store(entries.trampoline, Relaxed);
    FORBIDDEN_CALL.store(entries.forbidden_call, Relaxed);
    platform::learn_restorer(SIGSEGV);
    for (index, owned) in SIGNALS.iter().enumerate() {
        if selected & 1 << index == 0 {
            continue;
        }
        let before = platform::exchange_action(owned.signal(), &handler_action());
        // Nearly always it was the default action, and the kernel already has what that becomes.
        owned.own_as_is(if before.is_handler() { Request::of_program(before) } else { Request::inherited(before) });
        if before.handler == SIG_DFL {
            platform::note_default(owned.signal(), true);
        } else {
            owned.apply();
            publish_belief(owned.signal(), &before);
        }
    }
    STATE.owned.store(u32::from(selected), Relaxed);
}

/// From now on the signal does to the process what it does by default. `false` where a filter forbids to tell the kernel.
pub fn restore_default(signal: c_int) -> bool {
    // A child by vfork has a table of actions of its own, but its parent's memory, where this stands for the parent.
    if is_own_process() {
        DYING.store(true, Relaxed);
    }
    platform::set_action(signal, &Action::plain(SIG_DFL))
}

/// Restores the default of what abort(3) does when SIGABRT does not end the process, as in the first process of a pid
/// namespace: it executes an instruction that is not allowed (`hlt`), or on arm64 glibc's a breakpoint (its abort-instr.h) and musl's
/// a write to address 0. A handler that the program has for that stays.
pub fn let_abort_end() {
    for signal in [SIGSEGV, SIGTRAP] {
        if owned(signal).is_some_and(|owned| owned.believed().handler == SIG_DFL) {
            restore_default(signal);
        }
    }
}

/// Before abort(3) begins: where SIGABRT is ignored, it gets its default action at once, which abort gives it in the end, so that the
/// end is reported. And it is let through, which newer libcs do only when the default action is beyond our reach. A handler of the
/// program has what libc does with it.
#[cfg(target_os = "linux")]
pub fn let_abort_through() {
    let Some(owned) = owned(SIGABRT) else { return };
    let is_own = is_own_process();
    let believed = if is_own { owned.believed() } else { owned.sigaction_in_vm_child(None) };
    if believed.is_handler() || is_dying() {
        return;
    }
    if believed.handler == SIG_IGN {
        let default = Request::inherited(Action::plain(SIG_DFL));
        if is_own {
            owned.replace(|now| if now.handler == SIG_IGN { default } else { *now });
        } else {
            owned.sigaction_in_vm_child(Some(default));
        }
    }
    platform::change_mask(libc::SIG_UNBLOCK, SIGABRT);
}

/// Tells the kernel again what it is to have. A child that has the same table of actions (CLONE_SIGHAND) has died of a crash: for that the
/// default action was restored, in the table of both.
#[cfg(target_os = "linux")]
pub fn apply_all() {
    for owned in SIGNALS.iter().filter(|owned| owned.is_active()) {
        owned.apply();
    }
}

/// Takes the program's handler away, if it still is the one in force.
pub fn drop_handler(owned: &Owned, handler: &Request) {
    if is_own_process() {
        owned.replace(|now| if now == handler { Request::inherited(Action::plain(SIG_DFL)) } else { *now });
    } else {
        platform::set_action(owned.signal(), &handler_action());
    }
}

/// In a copy: no handler is called any more.
pub fn default_everywhere() {
    DYING.store(true, Relaxed);
    for owned in &SIGNALS {
        platform::set_action(owned.signal(), &Action::plain(SIG_DFL));
    }
    let forbidden = FORBIDDEN_CALL.load(Relaxed);
    platform::set_action(SIGSYS, &Action { flags: SA_SIGINFO | SA_NODEFER, ..Action::plain(forbidden) });
}

/// Whether [`restore_default`] was called.
pub fn is_dying() -> bool {
    DYING.load(Relaxed)
}

fn requested(new: Request, _before: &Request) -> Request {
    Request { action: platform::as_kept(new.action), ..new }
}

fn is_ours(action: &Action) -> bool {
    action.handler == HANDLER.load(Relaxed) || action.handler == TRAMPOLINE.load(Relaxed)
}

fn kernel_action(requested: &Request) -> Action {
    match requested.handler {
        _ if is_dying() => Action::plain(SIG_DFL),
        SIG_DFL => handler_action(),
        SIG_IGN => requested.action,
        _ if options().crash == Crash::First
            || requested.origin == Origin::ProgramBySignal
            // It must not run in threads where the program has blocked the signal.
            || platform::masks_stand_in()
            || requested.flags & SA_RESETHAND != 0 =>
        {
            trampoline_action(requested)
        }
        _ => requested.action,
    }
}

fn kernel_action_in_front(requested: &Request) -> Action {
    if requested.is_handler() && !is_dying() { trampoline_action(requested) } else { kernel_action(requested) }
}

/// SA_NODEFER, and no crash signal in the mask: a crash in our own handler comes to it, too. Everything else waits. SA_RESTART for
/// what the program goes on after.
fn handler_action() -> Action {
    let flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
    Action { flags, mask: !CRASH_SIGNALS, ..Action::plain(HANDLER.load(Relaxed)) }
}

/// The mask and the flags of a program's handler go to the kernel with the trampoline, so that the handler runs on the
/// stack and with the signals blocked that it asked for.
fn trampoline_action(requested: &Request) -> Action {
    let flags = requested.flags & (SA_ONSTACK | SA_RESTART | SA_NODEFER) | SA_SIGINFO;
    Action { handler: TRAMPOLINE.load(Relaxed), flags, ..requested.action }
}
