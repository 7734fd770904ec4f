//! The action of SIGPIPE that a started program begins with: the one that it would have without us, which is what this
//! process was started with, or what it has asked for since. (In scope `tree` it is SIG_IGN.)
//!
//! execve(2) keeps SIG_IGN and turns a handler into SIG_DFL. In scope `process` the kernel may have a SIG_IGN that
//! nobody has asked for. So while a program is being started, the guard handler takes the place of that SIG_IGN. For
//! this process both do the same.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use libc::{SIG_DFL, SIG_IGN, SIGPIPE};

use super::{SIGNAL, children_ignore, guard, kernel_action, log, scope_is, set_scope, system};
use crate::platform::{self, Action, is_own_process, own_process};
use crate::signals::{Origin, Request};
use crate::state::STATE;
use settings::options::Scope;

/// How many calls that start a program are under way, in all threads of this process.
///
/// A call that never returns stays counted: its thread was cancelled, or a signal handler has left it by siglongjmp(3).
/// Then the guard handler stays in place of SIG_IGN, which does no harm.
///
/// Relaxed is enough: each change is followed by `policy_changed`, and the count is read behind a look at what that
/// changes.
static SPAWNING: AtomicU32 = AtomicU32::new(0);

/// Whether SIGPIPE is ignored in this process and must not be ignored in the programs that it starts.
pub fn children_need_default() -> bool {
    let requested = SIGNAL.believed();
    SIGNAL.is_active() && is_own_process() && requested.handler == SIG_IGN && !children_ignore(&requested)
}

/// Whether a program is being started just now.
pub(super) fn is_spawning() -> bool {
    SPAWNING.load(Relaxed) != 0
}

/// The action for the kernel while a program is being started, by what this program has asked for.
pub(super) fn while_starting(requested: &Request) -> Action {
    if children_ignore(requested) { Action::plain(SIG_IGN) } else { guard::action(requested) }
}

/// In a child by fork(2): makes the copied data its own, with the scope that a child has.
///
/// `is_filtered` says that a seccomp filter may kill for the system call that gives the kernel another action. Then
/// only what the parent's other threads were about to do is forgotten, since they are not here, and the kernel keeps
/// the action that it has.
pub fn adopt_forked_child(is_filtered: bool) {
    system::forget_asked_sigpipe();
    if is_filtered {
        SPAWNING.store(0, Relaxed);
        SIGNAL.adopt_forked_child();
        return;
    }
    if !SIGNAL.is_active() {
        return;
    }
    SPAWNING.store(0, Relaxed);
    STATE.reset(own_process() as u32);
    log::adopt_forked_child();
    if scope_is(Scope::Process) {
        set_scope(Scope::Sockets);
    }
    SIGNAL.adopt_forked_child();
    SIGNAL.replace(|requested| match requested.origin {
        Origin::Inherited if !children_ignore(requested) => Request::inherited(Action::plain(SIG_DFL)),
        // The SIG_IGN of our own that this was set over does not exist in a child. If the program ignores SIGPIPE from
        // now on, it has asked for that, and has not just restored what it had found.
        Origin::SetBySignalOverInherited if scope_is(Scope::Sockets) => {
            Request { origin: Origin::ProgramBySignal, ..*requested }
        }
        _ => *requested,
    });
}

/// While this is kept, the kernel has the action of SIGPIPE and the mask of blocked signals with which a program is to
/// start: around calls by which libc starts one (posix_spawn, system, popen), and around exec(3). Dropping it restores
/// both. Keeps errno.
pub struct Spawn {
    disposition: Changed,
    _mask: platform::ProgramMask,
}

/// Which disposition of SIGPIPE was changed, and is to be restored.
enum Changed {
    Nothing,
    /// That of this process, by the policy.
    Process,
    /// That of a child that shares our memory: the action that it had.
    VmChild(Action),
}

impl Spawn {
    /// Changes both. The result has to be kept until the call has returned.
    pub fn begin() -> Self {
        Self { disposition: Changed::begin(), _mask: platform::ProgramMask::begin() }
    }
}

impl Changed {
    fn begin() -> Self {
        // Another action takes a system call, and a seccomp filter may kill for that.
        if !SIGNAL.is_active() || platform::is_filtered() {
            return Self::Nothing;
        }
        platform::keeping_errno(|| {
            if is_own_process() {
                SPAWNING.fetch_add(1, Relaxed);
                SIGNAL.policy_changed();
                SIGNAL.wait_for_pending_updates();
                return Self::Process;
            }
            let current = platform::action(SIGPIPE);
            if !SIGNAL.is_ours(&current) {
                return Self::Nothing;
            }
            platform::set_action(SIGPIPE, &while_starting(&SIGNAL.believed()));
            Self::VmChild(current)
        })
    }
}

impl Drop for Spawn {
    fn drop(&mut self) {
        match &self.disposition {
            Changed::Nothing => {}
            Changed::Process => platform::keeping_errno(|| {
                SPAWNING.fetch_sub(1, Relaxed);
                SIGNAL.policy_changed();
                // The kernel has discarded what was pending.
                if kernel_action(&SIGNAL.believed()).handler == SIG_IGN {
                    system::forget_asked_sigpipe();
                }
            }),
            Changed::VmChild(before) => platform::keeping_errno(|| {
                platform::set_action(SIGPIPE, before);
            }),
        }
    }
}
