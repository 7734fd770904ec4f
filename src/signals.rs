//! What the program believes is installed for a signal, and what the kernel has.
//!
//! For the signals that we own, a call of `sigaction` only publishes the program's wish here; the owner's policy then
//! says which action the kernel gets for it. `sigaction` may be called in any signal handler and by any number of
//! threads, so nothing here waits: a wish is written into a slot that nobody else uses and published by one
//! compare-and-swap.

use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

use libc::{SIG_DFL, SIG_IGN, c_int, sighandler_t};

use crate::platform;

/// A signal's action, as `sigaction` sets and tells it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// `SIG_DFL`, `SIG_IGN` or the address of a handler.
    pub handler: sighandler_t,
    /// `SA_*`
    pub flags: c_int,
    /// Signals blocked meanwhile, bit n for signal n + 1, as the kernel has it.
    pub mask: u64,
    /// Linux: `sa_restorer`, of no use to a program; what it copies back with a structure tells where that came from.
    pub restorer: usize,
    /// Whose wish it is.
    pub origin: Origin,
}

/// Whose wish an [`Action`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Origin {
    /// Nobody's: what the process was started with, or what our scope made of that.
    Start,
    /// The program's, set by `signal` over [`Origin::Start`]: setting the start's handler again takes it back.
    OverStart,
    /// The program's, by `sigaction`.
    Program,
    /// The program's, by `signal` or one of its twins.
    ProgramBySignal,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Start, Self::OverStart, Self::Program, Self::ProgramBySignal];
}

impl Action {
    /// An action without flags and mask.
    pub const fn plain(handler: sighandler_t) -> Self {
        Self { handler, flags: 0, mask: 0, restorer: 0, origin: Origin::Start }
    }

    /// Whether it has a handler of its own.
    pub fn is_handler(&self) -> bool {
        self.handler != SIG_DFL && self.handler != SIG_IGN
    }
}

/// More writers at once than this, all interrupted in the few instructions between claim and publication, would have
/// to try again.
const SLOTS: usize = 32;

/// What the owner of a signal decides. All of it may be called in a signal handler.
pub struct Rules {
    /// The action that the kernel has for what the program wishes.
    pub kernel_action: fn(&Action) -> Action,
    /// The wish that setting an action makes, given the one in force.
    pub wish: fn(Action, &Action) -> Action,
    /// Whether an action that the kernel has is one of the owner's, which the program must not see.
    pub is_ours: fn(&Action) -> bool,
    /// Called after a change of the wish.
    pub changed: fn(&Action),
}

/// A signal that we own: the program's wish and the rules that make the kernel's action of it.
pub struct Owned {
    signal: c_int,
    rules: Rules,
    active: AtomicBool,
    /// Ticket of the wish in force, times [`SLOTS`], plus its slot. Tickets are never given twice.
    current: AtomicU64,
    ticket: AtomicU64,
    /// Threads between asking the rules and having told the kernel.
    applying: AtomicU32,
    /// Grows whenever the rules may answer differently for the same wish.
    circumstances: AtomicU32,
    slots: [Slot; SLOTS],
}

struct Slot {
    taken: AtomicBool,
    handler: AtomicUsize,
    flags: AtomicI32,
    mask: AtomicU64,
    restorer: AtomicUsize,
    origin: AtomicU32,
}

impl Slot {
    const fn free() -> Self {
        Self {
            taken: AtomicBool::new(false),
            handler: AtomicUsize::new(0),
            flags: AtomicI32::new(0),
            mask: AtomicU64::new(0),
            restorer: AtomicUsize::new(0),
            origin: AtomicU32::new(0),
        }
    }

    fn load(&self) -> Action {
        Action {
            handler: self.handler.load(Relaxed),
            flags: self.flags.load(Relaxed),
            mask: self.mask.load(Relaxed),
            restorer: self.restorer.load(Relaxed),
            origin: Origin::ALL.get(self.origin.load(Relaxed) as usize).copied().unwrap_or(Origin::Program),
        }
    }

    fn store(&self, action: &Action) {
        self.handler.store(action.handler, Relaxed);
        self.flags.store(action.flags, Relaxed);
        self.mask.store(action.mask, Relaxed);
        self.restorer.store(action.restorer, Relaxed);
        self.origin.store(action.origin as u32, Relaxed);
    }
}

impl Owned {
    /// A signal that is not owned until [`Owned::own`].
    pub const fn new(signal: c_int, rules: Rules) -> Self {
        Self {
            signal,
            rules,
            active: AtomicBool::new(false),
            current: AtomicU64::new(0),
            ticket: AtomicU64::new(0),
            applying: AtomicU32::new(0),
            circumstances: AtomicU32::new(0),
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
    pub fn own(&self, believed: Action) {
        self.active.store(true, Release);
        self.replace(|_| believed);
    }

    /// Takes the signal over when the kernel already has what the rules make of this belief. For the constructor, before
    /// anything else was told.
    pub fn own_as_is(&self, believed: Action) {
        if let Some(first) = self.slots.first() {
            first.store(&believed);
        }
        self.active.store(true, Release);
    }

    /// What `sigaction` does: sets an action, or none, and returns what the program believed before.
    pub fn sigaction(&self, new: Option<Action>) -> Action {
        match new {
            None => self.believed(),
            Some(new) => self.replace(|before| (self.rules.wish)(new, before)),
        }
    }

    /// The same in a process that borrows our memory, a child by vfork: its wish goes to its own kernel table and
    /// must leave no trace here.
    pub fn sigaction_of_borrower(&self, new: Option<Action>) -> Action {
        let before = platform::action(self.signal);
        if let Some(new) = new {
            platform::set_action(self.signal, &new);
        }
        if (self.rules.is_ours)(&before) { self.believed() } else { before }
    }

    /// Puts a wish into force, made from the one that is, and returns that one.
    pub fn replace(&self, wish: impl Fn(&Action) -> Action) -> Action {
        let before = self.exchange(wish);
        self.apply();
        (self.rules.changed)(&self.believed());
        before
    }

    /// What the program believes.
    pub fn believed(&self) -> Action {
        self.current().1
    }

    fn exchange(&self, wish: impl Fn(&Action) -> Action) -> Action {
        let slot = self.claim();
        loop {
            let (current, believed) = self.current();
            let Some(place) = self.slots.get(slot) else { return believed };
            place.store(&wish(&believed));
            let ticket = self.ticket.fetch_add(1, Relaxed) + 1;
            let new = ticket * SLOTS as u64 + slot as u64;
            if self.current.compare_exchange(current, new, Release, Relaxed).is_ok() {
                if let Some(old) = self.slots.get(current as usize % SLOTS) {
                    old.taken.store(false, Release);
                }
                return believed;
            }
        }
    }

    /// Gives the kernel what the rules make of the wish in force. When several threads set wishes at once, whoever
    /// comes last sees that its own is no longer in force and gives the kernel the later one.
    pub fn apply(&self) {
        self.applying.fetch_add(1, SeqCst);
        loop {
            let circumstances = self.circumstances.load(SeqCst);
            let (current, believed) = self.current();
            platform::set_action(self.signal, &(self.rules.kernel_action)(&believed));
            if self.current.load(Acquire) == current && self.circumstances.load(SeqCst) == circumstances {
                break;
            }
        }
        self.applying.fetch_sub(1, SeqCst);
    }

    /// To be called after a change of what the rules look at besides the wish.
    pub fn circumstances_changed(&self) {
        self.circumstances.fetch_add(1, SeqCst);
        self.apply();
    }

    /// In a forked child: whoever else was about to do something is not here.
    pub fn adopt_forked_child(&self) {
        self.applying.store(0, SeqCst);
    }

    /// Waits until nobody is about to give the kernel what the rules said before [`Owned::circumstances_changed`].
    /// They do it at once, unless one of them is interrupted, by us even: so the wait is bounded, and what remains is a
    /// child that starts with an action that was right a moment ago.
    pub fn settle(&self) {
        const PATIENCE: u32 = 1000;
        for _ in 0..PATIENCE {
            if self.applying.load(SeqCst) == 0 {
                return;
            }
            platform::yield_now();
        }
    }

    /// Whether an action that the kernel has is one of ours.
    pub fn is_ours(&self, action: &Action) -> bool {
        (self.rules.is_ours)(action)
    }

    fn current(&self) -> (u64, Action) {
        loop {
            let current = self.current.load(Acquire);
            let action = self.slots.get(current as usize % SLOTS).map_or(Action::plain(SIG_DFL), Slot::load);
            // A slot is only written again after its wish went out of force, and no ticket comes twice.
            core::sync::atomic::fence(Acquire);
            if self.current.load(Relaxed) == current {
                return (current, action);
            }
        }
    }

    fn claim(&self) -> usize {
        loop {
            // Initially nobody has taken slot 0, though the first wish is read from there.
            let in_force = self.current.load(Acquire) as usize % SLOTS;
            for (index, slot) in self.slots.iter().enumerate() {
                if index != in_force && slot.taken.compare_exchange(false, true, Acquire, Relaxed).is_ok() {
                    return index;
                }
            }
        }
    }
}
