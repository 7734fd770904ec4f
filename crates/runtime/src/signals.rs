//! What the program believes is installed for a signal, and what the kernel has.
//!
//! For the signals that we own, a call of `sigaction` only publishes what the program asks for here; the owner's policy then
//! says which action the kernel gets for it.
//!
//! `sigaction` may be called in any signal handler and by any number of threads, and each of these calls may end at any
//! instruction: a handler leaves by siglongjmp, the thread is cancelled, the process is a fork of another thread. So
//! nothing here waits for anybody, and nothing has to be given back:
//!
//! - [`Owned::current`] has the number of the epoch and the slot of the action in force. Publishing an action is one
//!   compare-and-swap from epoch E to E + 1; so it succeeds only for who has seen E and has been overtaken by nobody.
//! - A slot is claimed for the epoch that its writer has seen. When the epoch is over, so is the claim, whether its
//!   writer has published, has been overtaken, or does not exist any more: it can't publish any longer. A writer that finds all slots claimed ends
//!   the epoch without a new action.
//! - A writer that wakes up late can't damage what others have written into its slot since: every word has the epoch of
//!   its writer beside the data, and is written by a compare-and-swap that gives way to a later epoch.
//! - The slot in force is never claimed, so that what is read from it is whole if the epoch is the same afterwards.

use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

use libc::{SIG_DFL, SIG_IGN, c_int};

use crate::platform::{self, Action};

/// An action that was asked for, and who asked: what a program is told, whatever the kernel has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What is to be done with the signal.
    pub action: Action,
    /// Who asked for that.
    pub origin: Origin,
}

impl Request {
    /// What nobody has asked for.
    pub const fn inherited(action: Action) -> Self {
        Self { action, origin: Origin::Inherited }
    }

    /// What the program has asked for, by `sigaction`.
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

/// Who asked for an [`Action`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Origin {
    /// Nobody's: what the process was started with, or what our scope made of that.
    Inherited,
    /// The program's, set by `signal` over [`Origin::Inherited`]: setting the start's handler again takes it back.
    SetBySignalOverInherited,
    /// The program's, by `sigaction`.
    Program,
    /// The program's, by `signal` or one of its twins.
    ProgramBySignal,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Inherited, Self::SetBySignalOverInherited, Self::Program, Self::ProgramBySignal];
}

/// Actions that may be written at the same time. More writers than that make each other start again.
const SLOTS: usize = 16;

/// What the owner of a signal decides. All of it may be called in a signal handler.
pub struct Rules {
    /// The action that the kernel gets for the one that the program has set.
    pub kernel_action: fn(&Request) -> Action,
    /// What is believed after the program has set an action, given what was believed before.
    pub requested: fn(Request, &Request) -> Request,
    /// Whether an action that the kernel has is one of the owner's, which the program must not see.
    pub is_ours: fn(&Action) -> bool,
    /// The action that the kernel has where a child that shares our memory asks for the default one: its table of actions is its
    /// own, and nothing but this tells what it asked for.
    pub vm_childs_default: fn() -> Action,
    /// Called after what is believed has changed, with the signal's number.
    pub changed: fn(c_int, &Action),
}

/// A signal that we own: the action that the program believes in, and the rules that make the kernel's action of it.
pub struct Owned {
    signal: c_int,
    rules: Rules,
    active: AtomicBool,
    /// Number of the epoch, times [`SLOTS`], plus the slot of the action in force. No number comes twice.
    current: AtomicU64,
    /// Threads between asking the rules and having told the kernel, and those that were interrupted for good there.
    applying: AtomicU32,
    /// How many of these are thought to be interrupted for good.
    lost: AtomicU32,
    /// Grows whenever the rules may answer differently for the same action.
    policy_epoch: AtomicU32,
    slots: [Slot; SLOTS],
}

/// An action in pieces of 32 bits: handler, mask and restorer in two each, flags, origin.
const WORDS: usize = 8;

struct Slot {
    /// The epoch for which the slot was last claimed.
    claimed: AtomicU64,
    /// The epoch of the writer in the upper half, data in the lower.
    words: [AtomicU64; WORDS],
}

/// Another writer has the slot now.
struct Overtaken;

impl Slot {
    const fn free() -> Self {
        Self { claimed: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; WORDS] }
    }

    fn load(&self) -> Request {
        let [handler, handler_high, mask, mask_high, restorer, restorer_high, flags, origin] =
            self.words.each_ref().map(|word| word.load(Relaxed) as u32);
        let whole = |low, high| u64::from(low) | u64::from(high) << 32;
        Request {
            action: Action {
                handler: whole(handler, handler_high) as usize,
                flags: flags.cast_signed(),
                mask: whole(mask, mask_high),
                restorer: whole(restorer, restorer_high) as usize,
            },
            origin: Origin::ALL.get(origin as usize).copied().unwrap_or(Origin::Program),
        }
    }

    /// Writes an action. For the writer that has claimed the slot for this epoch.
    fn store(&self, epoch: u64, request: &Request) -> Result<(), Overtaken> {
        let (handler, mask, restorer) = (request.handler as u64, request.mask, request.restorer as u64);
        let data = [
            handler,
            handler >> 32,
            mask,
            mask >> 32,
            restorer,
            restorer >> 32,
            u64::from(request.flags.cast_unsigned()),
            request.origin as u64,
        ];
        let epoch = epoch as u32;
        for (word, data) in self.words.iter().zip(data) {
            let new = u64::from(epoch) << 32 | data & 0xffff_ffff;
            let mut found = word.load(Relaxed);
            loop {
                // Epochs are compared as they are counted, across the end of 32 bits.
                if ((found >> 32) as u32).wrapping_sub(epoch).cast_signed() > 0 {
                    return Err(Overtaken);
                }
                // Released, so that who sees the new word sees that the epoch is another.
                match word.compare_exchange(found, new, Release, Relaxed) {
                    Ok(_) => break,
                    Err(now) => found = now,
                }
            }
        }
        Ok(())
    }
}

impl Owned {
    /// A signal that is not owned until [`Owned::own`].
    pub const fn new(signal: c_int, rules: Rules) -> Self {
        Self {
            signal,
            rules,
            active: AtomicBool::new(false),
            current: AtomicU64::new(SLOTS as u64),
            applying: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            policy_epoch: AtomicU32::new(0),
            slots: [const { Slot::free() }; SLOTS],
        }
    }

    /// The signal's number.
    pub fn signal(&self) -> c_int {
        self.signal
    }

    /// Whether calls about this signal come here.
    pub fn is_active(&self) -> bool {
        self.active.load(Acquire)
    }

    /// Takes the signal over, with what the program is to believe from now on. For the constructor.
    pub fn own(&self, believed: Request) {
        self.active.store(true, Release);
        self.replace(|_| believed);
    }

    /// Takes the signal over when the kernel already has what the rules make of this belief. For the constructor, before
    /// anything else was told.
    pub fn own_as_is(&self, believed: Request) {
        // The slot in force, and the first epoch: nobody else writes yet.
        let _ = self.slots.first().map(|first| first.store(1, &believed));
        self.active.store(true, Release);
    }

    /// What `sigaction` does: sets an action, or none, and returns what the program believed before.
    pub fn sigaction(&self, new: Option<Request>) -> Request {
        match new {
            None => self.believed(),
            Some(new) => self.replace(|before| (self.rules.requested)(new, before)),
        }
    }

    /// The same in a child that shares our memory (vfork, CLONE_VM): what it sets goes to its own kernel table and
    /// must leave no trace here. So does that of a child by fork which a signal has interrupted before it could make our data
    /// its own.
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

    /// What a child that shares our memory believes, by what the kernel has for it.
    fn believed_by_vm_child(&self, kernels: &Action) -> Request {
        if !(self.rules.is_ours)(kernels) {
            return Request::of_program(*kernels);
        }
        let believed = self.believed();
        let is_default = kernels.handler == (self.rules.vm_childs_default)().handler;
        if is_default && believed.is_handler() { Request::inherited(Action::plain(SIG_DFL)) } else { believed }
    }

    /// What `sigaction` does where another library's comes behind ours: that one is to see what the program sets and what
    /// is in force, and what it makes of it counts as set by the program. Meanwhile the kernel has what the program believes; for
    /// SIGPIPE rather SIG_IGN than the default.
    ///
    /// `None` with errno set when the other library's function has failed.
    pub fn sigaction_by_next(&self, new: Option<Request>, is_vm_child: bool) -> Option<Request> {
        /// Where a mask has no effect, this one tells what was put there to be found.
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
            // Nothing has changed: it was a question, or the other library has kept the action for itself, as libjsig does when
            // a Java VM has the signal.
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

    /// Makes a new believed action out of the one in force, tells the kernel, and returns the one before.
    pub fn replace(&self, requested: impl Fn(&Request) -> Request) -> Request {
        let before = self.exchange(requested);
        self.apply();
        (self.rules.changed)(self.signal, &self.believed());
        before
    }

    /// What the program believes.
    pub fn believed(&self) -> Request {
        self.current().1
    }

    fn exchange(&self, requested: impl Fn(&Request) -> Request) -> Request {
        loop {
            let (current, believed) = self.current();
            let epoch = current / SLOTS as u64;
            let claimed = self.claim(current);
            if let Some((_, slot)) = claimed
                && slot.store(epoch, &requested(&believed)).is_err()
            {
                continue;
            }
            // Without a slot the epoch ends, and all claims with it; the action in force stays where it is.
            let slot = claimed.map_or(current as usize % SLOTS, |(index, _)| index);
            let next = (epoch + 1) * SLOTS as u64 + slot as u64;
            let published = self.current.compare_exchange(current, next, Release, Relaxed).is_ok();
            if published && claimed.is_some() {
                return believed;
            }
        }
    }

    /// A slot for a new action in this epoch, if one is left. It need not be given back.
    fn claim(&self, current: u64) -> Option<(usize, &Slot)> {
        let (epoch, in_force) = (current / SLOTS as u64, current as usize % SLOTS);
        self.slots.iter().enumerate().filter(|&(index, _)| index != in_force).find(|(_, slot)| {
            let last = slot.claimed.load(Relaxed);
            last < epoch && slot.claimed.compare_exchange(last, epoch, Acquire, Relaxed).is_ok()
        })
    }

    /// Gives the kernel what the rules make of the action in force. When several threads set actions at once, whoever
    /// comes last sees that its own is no longer in force and gives the kernel the later one.
    pub fn apply(&self) {
        self.applying.fetch_add(1, SeqCst);
        loop {
            let policy_epoch = self.policy_epoch.load(SeqCst);
            let (current, believed) = self.current();
            platform::set_action(self.signal, &(self.rules.kernel_action)(&believed));
            if self.current.load(Acquire) == current && self.policy_epoch.load(SeqCst) == policy_epoch {
                break;
            }
        }
        self.applying.fetch_sub(1, SeqCst);
    }

    /// To be called after a change of what the rules look at besides the action.
    pub fn policy_changed(&self) {
        self.policy_epoch.fetch_add(1, SeqCst);
        self.apply();
    }

    /// In a forked child: the other threads of the parent, and what they were about to do, are not here.
    pub fn adopt_forked_child(&self) {
        self.applying.store(0, SeqCst);
        self.lost.store(0, SeqCst);
    }

    /// Waits until no thread is about to give the kernel what the rules said before [`Owned::policy_changed`].
    ///
    /// Such a thread does it at once, unless it was interrupted there: by us, if we run in a signal handler, or for good. So
    /// the wait is bounded, and threads that were waited for in vain are not waited for again. At worst a child starts with
    /// the action that was right a moment ago.
    pub fn wait_for_pending_updates(&self) {
        /// Calls of sched_yield(2).
        const MAX_YIELDS: u32 = 1000;
        let lost = self.lost.load(Relaxed);
        for _ in 0..MAX_YIELDS {
            let applying = self.applying.load(SeqCst);
            if applying <= lost {
                // Somebody who was thought to be lost has come back.
                self.lost.fetch_min(applying, Relaxed);
                return;
            }
            platform::yield_now();
        }
        self.lost.store(self.applying.load(SeqCst), Relaxed);
    }

    /// Whether an action that the kernel has is one of ours.
    pub fn is_ours(&self, action: &Action) -> bool {
        (self.rules.is_ours)(action)
    }

    fn current(&self) -> (u64, Request) {
        loop {
            let current = self.current.load(Acquire);
            let slot = self.slots.get(current as usize % SLOTS);
            let request = slot.map_or(Request::inherited(Action::plain(SIG_DFL)), Slot::load);
            // Only a slot that is not in force is written, and no epoch comes twice.
            core::sync::atomic::fence(Acquire);
            if self.current.load(Relaxed) == current {
                return (current, request);
            }
        }
    }
}
