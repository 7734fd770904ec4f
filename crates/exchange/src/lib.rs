//! A value that threads and signal handlers exchange, and that is passed on to something outside. Here that is the
//! action of a signal that the program believes in, and the kernel, which is given an action made from it.
//!
//! `sigaction` may be called in any signal handler and by any number of threads, and each of these calls may end at any
//! instruction: a handler leaves it by siglongjmp(3), the thread is cancelled, or another thread forks and the call is
//! not continued in the child. So no operation waits for another one to go on, and none holds anything that would have
//! to be given back:
//!
//! - [`Exchange::current`] has the number of the epoch and the index of the slot whose value is in force. Publishing a
//!   value is one compare-and-swap from epoch E to E + 1. So it succeeds only for a writer that has seen E, and only if
//!   no other was faster.
//! - A slot is claimed for the epoch that its writer has seen. The claim ends with the epoch: then its writer has
//!   published, or it can't publish any more since another one has, or it does not exist any more. A writer that finds
//!   all slots claimed ends the epoch without a new value.
//! - A writer that goes on late can't damage what others have written into its slot since. Every number in a slot has
//!   its writer's epoch beside it, and is written by a compare-and-swap that gives way to a later epoch.
//! - The slot in force is never claimed. So what was read from it is whole if the epoch is the same afterwards.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(not(feature = "loom"))]
use core::sync::atomic::{AtomicU32, AtomicU64, fence};

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
#[cfg(feature = "loom")]
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

/// A value of `WORDS` numbers of 32 bits each. There are `SLOTS` slots: one has the value in force, and each of the
/// others can be written by one writer at the same time. If there are more writers, they make each other start again.
pub struct Exchange<const SLOTS: usize, const WORDS: usize> {
    /// Number of the epoch, times `SLOTS`, plus the slot of the value in force. No number comes twice.
    current: AtomicU64,
    /// How many calls of [`Exchange::apply`] have begun and not ended, those included that will never end.
    applying: AtomicU32,
    /// How many of these are thought never to end.
    lost: AtomicU32,
    /// Grows whenever something else may have to be told of the same value.
    policy_epoch: AtomicU32,
    slots: [Slot<WORDS>; SLOTS],
}

/// Room for one value.
struct Slot<const WORDS: usize> {
    /// The epoch for which the slot was last claimed.
    claimed: AtomicU64,
    /// The epoch of the writer in the upper half, data in the lower.
    words: [AtomicU64; WORDS],
}

/// A writer of a later epoch has the slot now.
struct Overtaken;

/// A writer's claim to a slot, for the epoch that the writer has seen. It may be dropped at any point.
pub struct Claim<'a, const SLOTS: usize, const WORDS: usize> {
    exchange: &'a Exchange<SLOTS, WORDS>,
    /// What [`Exchange::current`] was.
    seen: u64,
    /// The slot's index; `None` if none was left.
    slot: Option<usize>,
    /// The value that was in force.
    pub before: [u32; WORDS],
}

impl<const WORDS: usize> Slot<WORDS> {
    #[cfg(not(feature = "loom"))]
    const fn free() -> Self {
        Self { claimed: AtomicU64::new(0), words: [const { AtomicU64::new(0) }; WORDS] }
    }

    #[cfg(feature = "loom")]
    fn free() -> Self {
        Self { claimed: AtomicU64::new(0), words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The numbers, which are of one value only if the slot is in force before and after this.
    fn load(&self) -> [u32; WORDS] {
        self.words.each_ref().map(|word| word.load(Relaxed) as u32)
    }

    /// Writes a value. For the writer that has claimed the slot for this epoch.
    fn store(&self, epoch: u64, value: &[u32]) -> Result<(), Overtaken> {
        let epoch = epoch as u32;
        for (word, data) in self.words.iter().zip(value) {
            let new = u64::from(epoch) << 32 | u64::from(*data);
            let mut found = word.load(Relaxed);
            loop {
                // Only the lower half of an epoch's number fits beside the data, so the comparison wraps around.
                if ((found >> 32) as u32).wrapping_sub(epoch).cast_signed() > 0 {
                    return Err(Overtaken);
                }
                // Release, with the Acquire fence in `current`: a reader that has got this number from a slot which was
                // in force in an earlier epoch then sees that the epoch is another one, and reads again.
                match word.compare_exchange(found, new, Release, Relaxed) {
                    Ok(_) => break,
                    Err(now) => found = now,
                }
            }
        }
        Ok(())
    }
}

impl<const SLOTS: usize, const WORDS: usize> Exchange<SLOTS, WORDS> {
    /// The value in force is all zeros.
    #[cfg(not(feature = "loom"))]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            current: AtomicU64::new(SLOTS as u64),
            applying: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            policy_epoch: AtomicU32::new(0),
            slots: [const { Slot::free() }; SLOTS],
        }
    }

    /// The value in force is all zeros.
    #[cfg(feature = "loom")]
    #[must_use]
    pub fn new() -> Self {
        Self {
            current: AtomicU64::new(SLOTS as u64),
            applying: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            policy_epoch: AtomicU32::new(0),
            slots: core::array::from_fn(|_| Slot::free()),
        }
    }

    /// Puts the first value into force. For the constructor, before anybody else uses the exchange: whoever lets others
    /// use it has to publish that with Release.
    pub fn set_first(&self, value: &[u32; WORDS]) {
        // Slot 0 is in force in epoch 1, so it may be written only because nobody else reads or writes yet.
        let _ = self.slots.first().map(|first| first.store(1, value));
    }

    /// The value in force.
    pub fn load(&self) -> [u32; WORDS] {
        self.current().1
    }

    /// What `current` is, and the value in force, read as a whole.
    fn current(&self) -> (u64, [u32; WORDS]) {
        loop {
            let current = self.current.load(Acquire);
            let value = self.slots.get(current as usize % SLOTS).map_or([0; WORDS], Slot::load);
            // A slot that is in force is never written, and no epoch comes twice: if the epoch is the same, the value
            // is whole.
            fence(Acquire);
            if self.current.load(Relaxed) == current {
                return (current, value);
            }
        }
    }

    /// Makes a new value of the one in force, puts it into force, and returns the one before. `new` is called again if
    /// another writer was faster.
    pub fn exchange(&self, new: impl Fn(&[u32; WORDS]) -> [u32; WORDS]) -> [u32; WORDS] {
        loop {
            let claim = self.claim();
            if claim.write(&new(&claim.before)) && claim.publish() {
                return claim.before;
            }
        }
    }

    /// Begins an exchange: reads the value in force, and claims a slot for the new one.
    pub fn claim(&self) -> Claim<'_, SLOTS, WORDS> {
        let (seen, before) = self.current();
        let (epoch, in_force) = (seen / SLOTS as u64, seen as usize % SLOTS);
        let free = |slot: &Slot<WORDS>| {
            let last = slot.claimed.load(Relaxed);
            last < epoch && slot.claimed.compare_exchange(last, epoch, Acquire, Relaxed).is_ok()
        };
        let mut others = self.slots.iter().enumerate().filter(|&(index, _)| index != in_force);
        let slot = others.find(|(_, slot)| free(slot)).map(|(index, _)| index);
        Claim { exchange: self, seen, slot, before }
    }

    /// Calls `tell` with the value in force, again until that is the same afterwards. So when several threads exchange
    /// values at once, the one that comes last with an older value sees that, and tells the later one.
    pub fn apply(&self, tell: impl Fn(&[u32; WORDS])) {
        self.applying.fetch_add(1, SeqCst);
        loop {
            let policy_epoch = self.policy_epoch.load(SeqCst);
            let (current, value) = self.current();
            tell(&value);
            if self.current.load(Acquire) == current && self.policy_epoch.load(SeqCst) == policy_epoch {
                break;
            }
        }
        self.applying.fetch_sub(1, SeqCst);
    }

    /// To be called after a change of what decides, besides the value, what is told; and before [`Exchange::apply`].
    pub fn policy_changed(&self) {
        self.policy_epoch.fetch_add(1, SeqCst);
    }

    /// Waits until nobody is about to tell what was right before [`Exchange::policy_changed`].
    ///
    /// A thread in [`Exchange::apply`] is soon through, unless it was interrupted there: by the caller, if that is a
    /// signal handler, or for good. So `wait` is called `most` times at most, and threads that were waited for in vain
    /// are not waited for again.
    pub fn wait_for_pending(&self, most: u32, wait: impl Fn()) {
        let lost = self.lost.load(Relaxed);
        for _ in 0..most {
            // A read-modify-write and not a load: a thread that adds itself to `applying` after this sees the new
            // policy.
            let applying = self.applying.fetch_add(0, SeqCst);
            if applying <= lost {
                // Some that were thought never to end may have ended.
                self.lost.fetch_min(applying, Relaxed);
                return;
            }
            wait();
        }
        self.lost.store(self.applying.load(SeqCst), Relaxed);
    }

    /// In a forked child: the other threads of the parent, and what they were about to do, are not here.
    pub fn adopt_forked_child(&self) {
        self.applying.store(0, SeqCst);
        self.lost.store(0, SeqCst);
    }
}

impl<const SLOTS: usize, const WORDS: usize> Default for Exchange<SLOTS, WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLOTS: usize, const WORDS: usize> Claim<'_, SLOTS, WORDS> {
    /// Writes a value, or the first numbers of one; `false` if a writer of a later epoch has the slot now. Does nothing
    /// without a slot.
    #[must_use]
    pub fn write(&self, value: &[u32]) -> bool {
        let slot = self.slot.and_then(|index| self.exchange.slots.get(index));
        slot.is_none_or(|slot| slot.store(self.seen / SLOTS as u64, value).is_ok())
    }

    /// Puts what was written into force. `false` if another writer was faster, or if there was no slot: then this only
    /// ends the epoch, and all claims with it, and the value in force stays as it is.
    #[must_use]
    pub fn publish(&self) -> bool {
        let slot = self.slot.map_or(self.seen % SLOTS as u64, |index| index as u64);
        let next = (self.seen / SLOTS as u64 + 1) * SLOTS as u64 + slot;
        // Release, with the Acquire load in `current`: whoever sees the new epoch sees what was written into its slot.
        let is_published = self.exchange.current.compare_exchange(self.seen, next, Release, Relaxed).is_ok();
        is_published && self.slot.is_some()
    }
}
