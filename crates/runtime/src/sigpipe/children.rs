//! Children start with the SIGPIPE that the program was started with, or with what it asked for since.
//!
//! SIG_IGN survives execve, a handler becomes SIG_DFL. So while something is being started, the guard handler, which
//! swallows everything then, takes the place of a SIG_IGN that nobody asked for.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use libc::{SIG_DFL, SIG_IGN, SIGPIPE};

use super::{SIGNAL, children_ignore, guard, log, scope_is, set_scope};
use crate::platform::{self, Action, is_own_process, own_process};
use crate::signals::{Origin, Request};
use crate::state::STATE;
use settings::options::Scope;

/// Starts under way in this process, by all its threads.
static SPAWNING: AtomicU32 = AtomicU32::new(0);

/// Whether SIGPIPE is ignored in this process and must not be in what it starts.
pub fn children_need_default() -> bool {
    let requested = SIGNAL.believed();
    SIGNAL.is_active() && is_own_process() && requested.handler == SIG_IGN && !children_ignore(&requested)
}

pub(super) fn is_spawning() -> bool {
    SPAWNING.load(Relaxed) != 0
}

/// What the kernel has while something is started, where the program has asked for this.
pub(super) fn while_starting(requested: &Request) -> Action {
    if children_ignore(requested) { Action::plain(SIG_IGN) } else { guard::action(requested) }
}

/// Makes this process's data its own after a fork: its scope is that of a child. No system call is made where it `is_filtered`: then
/// the kernel goes on with what it has.
pub fn adopt_forked_child(is_filtered: bool) {
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
        Origin::SetBySignalOverInherited if scope_is(Scope::Sockets) => {
            Request { origin: Origin::ProgramBySignal, ..*requested }
        }
        _ => *requested,
    });
}

/// In force while libc starts a program on behalf of this process (posix_spawn, system, popen), and while the process
/// itself tries to become another program.
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
    /// To be kept until the call has returned.
    pub fn begin() -> Self {
        Self { disposition: Changed::begin(), _mask: platform::ProgramMask::begin() }
    }
}

impl Changed {
    fn begin() -> Self {
        // The kernel's action has to be changed for what is started, by a call that a filter may kill for.
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
            }),
            Changed::VmChild(before) => platform::keeping_errno(|| {
                platform::set_action(SIGPIPE, before);
            }),
        }
    }
}
