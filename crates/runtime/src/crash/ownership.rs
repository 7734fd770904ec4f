//! The actions of the crash signals: for the default action the kernel has our handler, which reports and then has the default
//! action done. The program is told that it is the default action.
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
/// For signals of which no program's handler goes to the kernel without the trampoline. abort(3) raises SIGABRT and ends the process when
/// the handler returns, so that its return has to be seen. SIGSYS comes for a system call of a report, too, that a filter traps, which
/// the program's handler must not see.
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

/// Addresses of the handlers: those are in `handler.rs`, which uses this file and so can't be used by it.
#[derive(Clone, Copy)]
pub struct Entries {
    /// In place of the default action.
    pub handler: usize,
    /// In front of a handler of the program.
    pub trampoline: usize,
    /// In a copy, for system calls that a sandbox traps.
    pub forbidden_call: usize,
}

/// The [`Entries`] that [`start`] was given.
static HANDLER: AtomicUsize = AtomicUsize::new(0);
static TRAMPOLINE: AtomicUsize = AtomicUsize::new(0);
static FORBIDDEN_CALL: AtomicUsize = AtomicUsize::new(0);

/// Set when the process is about to die: the kernel gets the default action, whatever is asked for.
static DYING: AtomicBool = AtomicBool::new(false);

/// Set while the program dispatches system calls: the kernel gets the actions as the program asked for them.
static ASIDE: AtomicBool = AtomicBool::new(false);

/// The index of a signal in [`SIGNALS`].
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
        && platform::are_masks_reduced()
        && let Some(owned) = owned(signal)
    {
        // The kernel may have been given the action before masks began to be reduced: now it needs the trampoline.
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

/// Gives the kernel the default action of a signal, for good. `false` where a filter forbids that.
pub fn restore_default(signal: c_int) -> bool {
    // A child by vfork has a table of actions of its own, but in memory this flag is its parent's.
    if is_own_process() {
        DYING.store(true, Relaxed);
    }
    platform::set_action(signal, &Action::plain(SIG_DFL))
}

/// Restores the default action of the signal that ends a process whose abort(3) SIGABRT does not end, as in the first process of a PID
/// namespace: abort then executes `hlt` (SIGSEGV), on arm64 glibc's a breakpoint (SIGTRAP, its abort-instr.h) and musl's a write to
/// address 0. Signals for which the program has a handler keep that.
pub fn let_abort_end() {
    for signal in [SIGSEGV, SIGTRAP] {
        if owned(signal).is_some_and(|owned| owned.believed().handler == SIG_DFL) {
            restore_default(signal);
        }
    }
}

/// To be called before abort(3): sets the default action of SIGABRT where that is ignored, and unblocks the signal. abort does both
/// itself in the end, but by system calls that no hook sees, so that the end would not be reported. Where the program has a handler,
/// nothing is changed.
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

/// Gives the kernel all actions again. To be called when a child that shares our table of actions (CLONE_SIGHAND) has died of a crash:
/// it has restored the default action for that, in the table of both.
#[cfg(target_os = "linux")]
pub fn apply_all() {
    for owned in SIGNALS.iter().filter(|owned| owned.is_active()) {
        owned.apply();
    }
}

/// Leaves the crash signals to the program, before `begin` has the kernel raise SIGSYS for its system calls (Syscall User Dispatch): a handler of
/// ours could make none then, neither for a report nor to die. There is no way back, since nobody knows which threads do so; only where `begin`
/// fails nothing is changed.
#[cfg(target_os = "linux")]
pub fn stand_aside<T: PartialOrd + Default>(begin: impl FnOnce() -> T) -> T {
    if !is_own_process() || platform::is_filtered() || ASIDE.swap(true, Relaxed) {
        return begin();
    }
    let owned = STATE.owned.swap(0, Relaxed);
    apply_all();
    let result = begin();
    if result < T::default() {
        ASIDE.store(false, Relaxed);
        STATE.owned.store(owned, Relaxed);
        apply_all();
    }
    result
}

/// Takes the program's handler away, if it still is the one in force.
pub fn drop_handler(owned: &Owned, handler: &Request) {
    if is_own_process() {
        owned.replace(|now| if now == handler { Request::inherited(Action::plain(SIG_DFL)) } else { *now });
    } else {
        platform::set_action(owned.signal(), &handler_action());
    }
}

/// In a copy: restores the default actions, but for SIGSYS, whose handler makes a trapped system call fail.
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
        _ if ASIDE.load(Relaxed) => requested.action,
        SIG_DFL => handler_action(),
        SIG_IGN => requested.action,
        _ if options().crash == Crash::First
            || requested.origin == Origin::ProgramBySignal
            // It must not run in threads where the program has blocked the signal.
            || platform::are_masks_reduced()
            || requested.flags & SA_RESETHAND != 0 =>
        {
            trampoline_action(requested)
        }
        _ => requested.action,
    }
}

fn kernel_action_in_front(requested: &Request) -> Action {
    if requested.is_handler() && !is_dying() && !ASIDE.load(Relaxed) {
        trampoline_action(requested)
    } else {
        kernel_action(requested)
    }
}

/// The action with our handler. SA_NODEFER, and no crash signal in the mask, so that a crash in the handler comes to the handler, too; all
/// other signals are blocked. SA_RESTART for signals after which the program goes on.
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
