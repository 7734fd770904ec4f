//! More threads than there are slots, in whatever order the system runs them.

#![cfg(not(feature = "loom"))]

use std::sync::Arc;
use std::thread;

use exchange::Exchange;

#[test]
fn no_exchange_is_lost_and_no_value_is_torn() {
    // Miri is some 10,000 times slower, and has a thread of its choice go on after each operation.
    const EACH: u32 = if cfg!(miri) { 12 } else { 20_000 };
    let exchange = Arc::new(Exchange::<4, 8>::new());
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let exchange = exchange.clone();
            thread::spawn(move || {
                for _ in 0..EACH {
                    let before = exchange.exchange(|before| before.map(|word| word + 1));
                    assert!(before.iter().all(|word| *word == before[0]), "{before:?}");
                    assert!(exchange.load()[0] > before[0]);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(exchange.load(), [8 * EACH; 8]);
}

#[test]
fn claims_that_nobody_gives_back_stop_nobody() {
    let exchange = Exchange::<4, 8>::new();
    for round in 0..100 {
        for _ in 0..3 {
            let claim = exchange.claim();
            assert!(claim.write(&[7; 5]));
        }
        assert_eq!(exchange.exchange(|before| before.map(|word| word + 1)), [round; 8]);
    }
    assert_eq!(exchange.load(), [100; 8]);
}
