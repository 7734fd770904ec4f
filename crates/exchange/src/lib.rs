//! A value that threads and signal handlers exchange, and something outside that is told of it: here a signal's action, and the
//! kernel.
//!
//! `sigaction` may be called in any signal handler and by any number of threads, and each of these calls may end at any
//! instruction: a handler leaves by siglongjmp, the thread is cancelled, the process is a fork of another thread. So
//! nothing here waits for anybody, and nothing has to be given back:
//!
//! - [`Exchange::current`] has the number of the epoch and the slot of the value in force. Publishing a value is one
//!   compare-and-swap from epoch E to E + 1; so it succeeds only for a writer that has seen E and has been overtaken by nobody.
//! - A slot is claimed for the epoch that its writer has seen. When the epoch is over, so is the claim, whether its
//!   writer has published, has been overtaken, or does not exist any more: it can't publish any longer. A writer that finds
//!   all slots claimed ends the epoch without a new value.
//! - A writer that wakes up late can't damage what others have written into its slot since: every word has the epoch of
//!   its writer beside the data, and is written by a compare-and-swap that gives way to a later epoch.
//! - The slot in force is never claimed, so that what is read from it is whole if the epoch is the same afterwards.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(not(feature = "loom"))]
use core::sync::atomic::{AtomicU32, AtomicU64, fence};

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
#[cfg(feature = "loom")]
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

/// A value of so many words of 32 bits. Of `SLOTS` values, one is in force and the others can be written at the same time; more
/// writers than that make each other start again.
pub struct Exchange<const SLOTS: usize, const WORDS: usize> {
    /// Number of the epoch, times `SLOTS`, plus the slot of the value in force. No number comes twice.
    current: AtomicU64,
    /// Threads between asking what is to be told and having told it, and those that were interrupted for good there.
    applying: AtomicU32,
    /// How many of these are thought to be interrupted for good.
    lost: AtomicU32,
    /// Grows whenever something else may be told of the same value.
    policy_epoch: AtomicU32,
    slots: [Slot<WORDS>; SLOTS],
}

struct Slot<const WORDS: usize> {
    /// The epoch for which the slot was last claimed.
    claimed: AtomicU64,
    /// The epoch of the writer in the upper half, data in the lower.
    words: [AtomicU64; WORDS],
}

/// Another writer has the slot now.
struct Overtaken;

/// A writer's claim to a slot, if one was left, in the epoch that it has seen. It may be dropped at any point.
pub struct Claim<'a, const SLOTS: usize, const WORDS: usize> {
    exchange: &'a Exchange<SLOTS, WORDS>,
    /// What [`Exchange::current`] was.
    seen: u64,
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

    /// Puts the first value into force. For the constructor, before anybody else uses the exchange.
    pub fn set_first(&self, value: &[u32; WORDS]) {
        // The slot in force, and the first epoch: nobody else writes yet.
        let _ = self.slots.first().map(|first| first.store(1, value));
    }

    /// The value in force.
    pub fn load(&self) -> [u32; WORDS] {
        self.current().1
    }

    fn current(&self) -> (u64, [u32; WORDS]) {
        loop {
            let current = self.current.load(Acquire);
            let value = self.slots.get(current as usize % SLOTS).map_or([0; WORDS], Slot::load);
            // Only a slot that is not in force is written, and no epoch comes twice.
            fence(Acquire);
            if self.current.load(Relaxed) == current {
                return (current, value);
            }
        }
    }

    /// Makes a new value of the one in force, puts it into force, and returns the one before.
    pub fn exchange(&self, new: impl Fn(&[u32; WORDS]) -> [u32; WORDS]) -> [u32; WORDS] {
        loop {
            let claim = self.claim();
            if claim.write(&new(&claim.before)) && claim.publish() {
                return claim.before;
            }
        }
    }

    /// Begins an exchange.
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

    /// Tells what is made of the value in force. When several threads exchange values at once, whoever comes last sees that its
    /// own is no longer in force, and tells the later one.
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
    /// Such a thread does it at once, unless it was interrupted there: by us, if we run in a signal handler, or for good. So
    /// the wait is bounded by so many calls of `wait`, and threads that were waited for in vain are not waited for again.
    pub fn wait_for_pending(&self, most: u32, wait: impl Fn()) {
        let lost = self.lost.load(Relaxed);
        for _ in 0..most {
            // Not a load: so that a thread which comes to `applying` after us sees the new policy.
            let applying = self.applying.fetch_add(0, SeqCst);
            if applying <= lost {
                // Somebody who was thought to be lost has come back.
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
    /// Writes a value, or the first words of one; `false` where another writer has the slot now.
    #[must_use]
    pub fn write(&self, value: &[u32]) -> bool {
        let slot = self.slot.and_then(|index| self.exchange.slots.get(index));
        slot.is_none_or(|slot| slot.store(self.seen / SLOTS as u64, value).is_ok())
    }

    /// Puts what was written into force. `false` where another writer was first, or no slot was free: then the epoch has ended, and
    /// all claims with it, and the value in force is as it was.
    #[must_use]
    pub fn publish(&self) -> bool {
        let slot = self.slot.map_or(self.seen % SLOTS as u64, |index| index as u64);
        let next = (self.seen / SLOTS as u64 + 1) * SLOTS as u64 + slot;
        let is_published = self.exchange.current.compare_exchange(self.seen, next, Release, Relaxed).is_ok();
        is_published && self.slot.is_some()
    }
}
