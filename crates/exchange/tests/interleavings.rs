//! Every order in which the atomic operations of a few threads can happen, weak memory orders included: loom tries them
//! all, up to a number of forced switches between threads.
//!
//! `cargo test --package exchange --features loom`
//!
//! These tests were seen to fail when `apply` did not look at the value again, when claims outlived their epoch, when a
//! late writer could overwrite a slot, and when `publish` was Relaxed. Loom does not notice when the fence in
//! `current`, or the Release order in `Slot::store`, is weakened.

#![cfg(feature = "loom")]

use std::sync::Mutex;

use loom::sync::Arc;
use loom::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed, SeqCst},
};
use loom::thread;

use exchange::Exchange;

/// Two words, which every writer makes equal.
type Pair<const SLOTS: usize> = Exchange<SLOTS, 2>;

/// Runs `body` in every order that takes no more forced switches than `preemptions`.
fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// The kernel's table of actions: it has a lock, so that a call sees what was done before the one that came before it.
#[derive(Clone)]
struct Kernel(Arc<AtomicU32>);

impl Kernel {
    fn new() -> Self {
        Self(Arc::new(AtomicU32::new(0)))
    }

    fn set(&self, action: u32) {
        self.0.swap(action, AcqRel);
    }

    fn action(&self) -> u32 {
        self.0.load(SeqCst)
    }
}

/// Adds 1 to both numbers, and returns what they were.
fn count<const SLOTS: usize>(exchange: &Pair<SLOTS>) -> u32 {
    let [first, second] = exchange.exchange(|[first, second]| [first + 1, second + 1]);
    assert_eq!(first, second, "a value was torn");
    first
}

/// No exchange is lost, and none sees what another one has seen.
#[test]
fn two_writers() {
    model(2, || {
        let exchange = Arc::new(Pair::<3>::new());
        let other = exchange.clone();
        let thread = thread::spawn(move || count(&other));
        let mut seen = [count(&exchange), thread.join().unwrap()];
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
        assert_eq!(exchange.load(), [2, 2]);
    });
}

/// The same where there is one slot for all writers, so that one of them ends the other's epoch.
#[test]
fn two_writers_and_one_slot() {
    model(2, || {
        let exchange = Arc::new(Pair::<2>::new());
        let other = exchange.clone();
        let thread = thread::spawn(move || count(&other));
        let mut seen = [count(&exchange), thread.join().unwrap()];
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
        assert_eq!(exchange.load(), [2, 2]);
    });
}

/// What is read is whole, and never older than what was read before.
#[test]
fn a_reader() {
    model(3, || {
        let exchange = Arc::new(Pair::<2>::new());
        let other = exchange.clone();
        let thread = thread::spawn(move || {
            count(&other);
            count(&other);
        });
        let mut last = 0;
        for _ in 0..2 {
            let [first, second] = exchange.load();
            assert_eq!(first, second, "a value was torn");
            assert!(first >= last);
            last = first;
        }
        thread.join().unwrap();
        assert_eq!(exchange.load(), [2, 2]);
    });
}

/// A writer that ends anywhere, as one that a signal handler has left by siglongjmp, keeps nobody from going on, and
/// nothing of what it has written is ever in force.
#[test]
fn a_writer_that_ends_anywhere() {
    for words in 0..=2 {
        model(2, move || {
            let exchange = Arc::new(Pair::<2>::new());
            let other = exchange.clone();
            let thread = thread::spawn(move || {
                let claim = other.claim();
                let _ = claim.write(&[7, 7][..words]);
            });
            count(&exchange);
            thread.join().unwrap();
            count(&exchange);
            assert_eq!(exchange.load(), [2, 2]);
        });
    }
}

/// A writer that goes on late, after others have had its slot, neither damages what they have written nor gets its own
/// into force.
#[test]
fn a_writer_that_is_late() {
    model(2, || {
        let exchange = Arc::new(Pair::<2>::new());
        let claim = exchange.claim();
        let other = exchange.clone();
        let thread = thread::spawn(move || {
            count(&other);
            count(&other);
        });
        let is_published = claim.write(&[7, 7]) && claim.publish();
        thread.join().unwrap();
        assert_eq!(exchange.load(), if is_published { [9, 9] } else { [2, 2] });
    });
}

/// Whoever comes last, the kernel has at the end what belongs to the value in force.
#[test]
fn what_is_told_is_the_value_in_force() {
    model(2, || {
        let exchange = Arc::new(Pair::<3>::new());
        let kernel = Kernel::new();
        let (other, others_kernel) = (exchange.clone(), kernel.clone());
        let thread = thread::spawn(move || {
            count(&other);
            other.apply(|[value, _]| others_kernel.set(*value));
        });
        count(&exchange);
        exchange.apply(|[value, _]| kernel.set(*value));
        thread.join().unwrap();
        assert_eq!(kernel.action(), 2);
    });
}

/// The same when the policy changes and not the value: after the wait, unless that was in vain, nobody tells what was
/// right before.
#[test]
fn what_was_right_before_is_not_told_after_the_wait() {
    let was_in_vain = std::sync::Arc::new(Mutex::new([false; 2]));
    let noted = was_in_vain.clone();
    model(3, move || {
        let exchange = Arc::new(Pair::<2>::new());
        let (kernel, policy) = (Kernel::new(), Arc::new(AtomicU32::new(0)));
        let (other, others_kernel, others_policy) = (exchange.clone(), kernel.clone(), policy.clone());
        let thread = thread::spawn(move || other.apply(|_| others_kernel.set(others_policy.load(Relaxed))));
        policy.store(1, Relaxed);
        exchange.policy_changed();
        exchange.apply(|_| kernel.set(policy.load(Relaxed)));
        let waits = std::cell::Cell::new(0);
        exchange.wait_for_pending(2, || {
            waits.set(waits.get() + 1);
            thread::yield_now();
        });
        let in_vain = waits.get() == 2;
        noted.lock().unwrap()[usize::from(in_vain)] = true;
        if !in_vain {
            assert_eq!(kernel.action(), 1);
        }
        thread.join().unwrap();
        assert_eq!(kernel.action(), 1);
    });
    assert!(was_in_vain.lock().unwrap()[0], "the wait was in vain each time");
}
