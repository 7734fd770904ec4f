//! What the program believes is installed for a signal, and what the kernel has.
//!
//! For the signals that we own, a call of `sigaction` only publishes what the program asks for here; the owner's policy then
//! says which action the kernel gets for it.
//!
//! That is an exchange (`crates/exchange`): calls of `sigaction` in any thread and in any signal handler neither wait for each
//! other nor leave anything to be given back, wherever one of them ends for good.

use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release, SeqCst},
    fence,
};

use exchange::Exchange;
use libc::{SIG_DFL, SIG_IGN, c_int};
pub use policy::Origin;

use crate::platform::{self, Action};

/// An action that was asked for, and who asked: what the program is told, whatever the kernel has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The action.
    pub action: Action,
    /// Who asked for it.
    pub origin: Origin,
}

impl Request {
    /// An action that the process was started with.
    pub const fn inherited(action: Action) -> Self {
        Self { action, origin: Origin::Inherited }
    }

    /// An action that the program has set by sigaction(2).
    pub const fn of_program(action: Action) -> Self {
        Self { action, origin: Origin::Program }
    }
}

impl core::ops::Deref for Request {
    type Target = Action;

    fn deref(&self) -> &Action {
        &self.action
    }
}

/// Writers of an action that do not disturb each other. If there are more at the same time, they make each other start again.
const SLOTS: usize = 16;

/// What the owner of a signal decides. All of it may be called in a signal handler.
pub struct Rules {
    /// The action that the kernel gets for the one that the program has set.
    pub kernel_action: fn(&Request) -> Action,
    /// What is believed after the program has set an action, given what was believed before.
    pub requested: fn(Request, &Request) -> Request,
    /// Whether an action that the kernel has is one of the owner's, which the program must not see.
    pub is_ours: fn(&Action) -> bool,
    /// The action for the kernel where a child that shares our memory asks for the default one. The child's table of actions is its
    /// own, and what it asked for is noted nowhere else.
    pub vm_childs_default: fn() -> Action,
    /// Called after what is believed has changed, with the signal's number, and again where that has changed meanwhile.
    pub changed: fn(c_int, &Action),
}

/// A signal that we own: the action that the program believes in, and the rules that make the kernel's action of it.
pub struct Owned {
    signal: c_int,
    rules: Rules,
    active: AtomicBool,
    believed: Exchange<SLOTS, WORDS>,
}

/// A [`Request`] in pieces of 32 bits: handler, mask and restorer in two each, flags, origin.
const WORDS: usize = 8;

impl Request {
    fn from_words(words: [u32; WORDS]) -> Self {
        let [handler, handler_high, mask, mask_high, restorer, restorer_high, flags, origin] = words;
        let whole = |low, high| u64::from(low) | u64::from(high) << 32;
        Self {
            action: Action {
                handler: whole(handler, handler_high) as usize,
                flags: flags.cast_signed(),
                mask: whole(mask, mask_high),
                restorer: whole(restorer, restorer_high) as usize,
            },
            origin: Origin::ALL.get(origin as usize).copied().unwrap_or(Origin::Program),
        }
    }

    fn words(&self) -> [u32; WORDS] {
        let (handler, mask, restorer) = (self.handler as u64, self.mask, self.restorer as u64);
        [
            handler as u32,
            (handler >> 32) as u32,
            mask as u32,
            (mask >> 32) as u32,
            restorer as u32,
            (restorer >> 32) as u32,
            self.flags.cast_unsigned(),
            self.origin as u32,
        ]
    }
}

impl Owned {
    /// A signal that is not owned until [`Owned::own`].
    pub const fn new(signal: c_int, rules: Rules) -> Self {
        Self { signal, rules, active: AtomicBool::new(false), believed: Exchange::new() }
    }

    /// The signal's number.
    pub fn signal(&self) -> c_int {
        self.signal
    }

    /// Whether calls about this signal come here.
    pub fn is_active(&self) -> bool {
        self.active.load(Acquire)
    }

    /// Takes the signal over, with what the program is to believe until it sets something itself. For the constructor, as the first call
    /// for this signal.
    pub fn own(&self, believed: Request) {
        self.believed.set_first(&believed.words());
        self.active.store(true, Release);
        self.replace(|now| *now);
    }

    /// Takes the signal over when the kernel already has the action that the rules make of what is believed. For the constructor, as the
    /// first call for this signal.
    pub fn own_as_is(&self, believed: Request) {
        self.believed.set_first(&believed.words());
        self.active.store(true, Release);
    }

    /// What `sigaction` does: sets an action, or none, and returns what the program believed before.
    pub fn sigaction(&self, new: Option<Request>) -> Request {
        match new {
            None => self.believed(),
            Some(new) => self.replace(|before| (self.rules.requested)(new, before)),
        }
    }

    /// The same in a child that shares our memory (vfork, CLONE_VM): what it sets goes to its own table in the kernel, and nothing is
    /// noted here. Also for a child by fork that a signal interrupts before it has made our data its own.
    pub fn sigaction_in_vm_child(&self, new: Option<Request>) -> Request {
        let before = platform::action(self.signal);
        if let Some(new) = new {
            self.set_in_vm_child(&new);
        }
        self.believed_by_vm_child(&before)
    }

    fn set_in_vm_child(&self, new: &Action) {
        let default = (new.handler == SIG_DFL).then(self.rules.vm_childs_default);
        platform::set_action(self.signal, default.as_ref().unwrap_or(new));
    }

    /// What a child that shares our memory is told, by the action that the kernel has for it.
    fn believed_by_vm_child(&self, kernels: &Action) -> Request {
        if !(self.rules.is_ours)(kernels) {
            return Request::of_program(*kernels);
        }
        let believed = self.believed();
        let is_default = kernels.handler == (self.rules.vm_childs_default)().handler;
        if is_default && believed.is_handler() { Request::inherited(Action::plain(SIG_DFL)) } else { believed }
    }

    /// What `sigaction` does where another library's `sigaction` (libjsig's) comes between ours and libc's. That one is called with what
    /// the program sets, and finds in the kernel what the program believes; what it then gives the kernel counts as set by the program.
    /// During that call SIGPIPE is ignored rather than having its default action.
    ///
    /// `None` with errno set when the other library's function has failed.
    pub fn sigaction_by_next(&self, new: Option<Request>, is_vm_child: bool) -> Option<Request> {
        /// The mask of an action that we have put into the kernel for the other library to read. The kernel keeps the mask of
        /// SIG_DFL and SIG_IGN and does nothing with it, so that such an action is known again by its mask.
        const SHOWN: u64 = 1 << (libc::SIGTTIN - 1) | 1 << (libc::SIGTTOU - 1);
        let is_shown = |action: &Action| !action.is_handler() && action.mask == SHOWN;
        let kernels = platform::action(self.signal);
        let believed = if is_vm_child { self.believed_by_vm_child(&kernels) } else { self.believed() };
        let shown = match believed.handler {
            SIG_DFL if self.signal == libc::SIGPIPE => Action { mask: SHOWN, ..Action::plain(SIG_IGN) },
            SIG_DFL | SIG_IGN => Action { mask: SHOWN, ..believed.action },
            _ => believed.action,
        };
        platform::show_action(self.signal, &shown);
        let told = platform::real_sigaction(self.signal, new.as_ref().map(|new| &new.action));
        let now = platform::action(self.signal);
        let as_set = new.filter(|new| now.handler == new.handler && !is_shown(&now));
        if told.is_none() || is_shown(&now) || now.handler == shown.handler && as_set.is_none() {
            // Nothing has changed: the program has only asked, or the other library keeps the action to itself, as libjsig does for
            // signals that a Java VM uses.
            if is_vm_child {
                platform::set_action(self.signal, &kernels);
            } else {
                self.apply();
            }
        } else if is_vm_child {
            self.set_in_vm_child(&now);
        } else {
            let (origin, restorer) = as_set.map_or((Origin::Program, 0), |new| (new.origin, new.restorer));
            let now = Request { action: Action { restorer, ..now }, origin };
            self.replace(|before| (self.rules.requested)(now, before));
        }
        told.map(
            |told| {
                if is_shown(&told) || (self.rules.is_ours)(&told) { believed } else { Request::of_program(told) }
            },
        )
    }

    /// Replaces the believed action by what `requested` makes of it, tells the kernel, and returns the one before.
    pub fn replace(&self, requested: impl Fn(&Request) -> Request) -> Request {
        let before = self.believed.exchange(|before| requested(&Request::from_words(*before)).words());
        self.apply();
        // As for the kernel: who comes last with an older action sees that, and tells the later one. A system call needs no
        // fences for that, but what is stored here has to be there before it is looked whether it is still right.
        self.believed.apply(|words| {
            fence(SeqCst);
            (self.rules.changed)(self.signal, &Request::from_words(*words));
            fence(SeqCst);
        });
        Request::from_words(before)
    }

    /// What the program believes.
    pub fn believed(&self) -> Request {
        Request::from_words(self.believed.load())
    }

    /// Gives the kernel what the rules make of the believed action. When several threads set actions at once, the last one to reach
    /// the kernel sees that its own is not the believed one any more, and gives the kernel that.
    pub fn apply(&self) {
        self.believed.apply(|words| {
            platform::set_action(self.signal, &(self.rules.kernel_action)(&Request::from_words(*words)));
        });
    }

    /// To be called after a change of what the rules look at besides the action.
    pub fn policy_changed(&self) {
        self.believed.policy_changed();
        self.apply();
    }

    /// In a forked child: forgets what the parent's other threads, which are not there, were about to do.
    pub fn adopt_forked_child(&self) {
        self.believed.adopt_forked_child();
    }

    /// Waits until no thread is about to give the kernel what the rules said before [`Owned::policy_changed`], but not for ever: a thread
    /// may have been interrupted there for good. At worst a child then starts with the action that was right a moment ago.
    pub fn wait_for_pending_updates(&self) {
        /// How often sched_yield(2) is called, at most.
        const MAX_YIELDS: u32 = 1000;
        self.believed.wait_for_pending(MAX_YIELDS, platform::yield_now);
    }

    /// Whether an action that the kernel has is one of ours.
    pub fn is_ours(&self, action: &Action) -> bool {
        (self.rules.is_ours)(action)
    }
}
