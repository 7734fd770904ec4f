//! Each fuzz target with its corpus, and with damage done to it: nothing panics, and nothing takes long.
//!
//! The damage is made by a generator of fixed numbers, so that a failure comes again: NOSIGPIPE_TEST_SEED and
//! NOSIGPIPE_TEST_ROUNDS choose other numbers and more of them. `cargo fuzz run TARGET` in `fuzz/` searches by coverage, for as long as
//! one likes; what it finds goes into `fuzz/corpus/TARGET`.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use fuzzed::TARGETS;

/// xorshift64*, which is no good for anything but this.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    /// Changes up to eight places in a copy of `good`, half of them near its start, where headers are; or cuts it.
    fn damage(&mut self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        for _ in 0..=self.next(8) {
            let range = if self.next(2) == 0 { 128.min(bytes.len()) } else { bytes.len() };
            let at = self.next(range);
            let value = [0, 1, 0x7f, 0x80, 0xff, self.next(256) as u8][self.next(6)];
            let length = [1, 1, 2, 4, 8][self.next(5)];
            bytes.iter_mut().skip(at).take(length).for_each(|byte| *byte = value);
        }
        if self.next(4) == 0 {
            bytes.truncate(self.next(good.len()));
        }
        bytes
    }
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// How long this thread has had a processor: a busy machine makes a round no longer.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one structure, into `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned() as u32)
}

#[test]
fn each_target_with_its_corpus_and_with_damage_done_to_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let rounds = from_environment("NOSIGPIPE_TEST_ROUNDS", 100);
    for (name, target) in TARGETS {
        let mut numbers = Numbers(from_environment("NOSIGPIPE_TEST_SEED", 0x9e37_79b9_7f4a_7c15));
        let mut files: Vec<_> =
            fs::read_dir(corpus.join(name)).expect("its corpus").flatten().map(|entry| entry.path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let good = fs::read(&file).expect("a file");
            target(&good);
            for round in 0..rounds {
                let bytes = numbers.damage(&good);
                let begin = processor_time();
                target(&bytes);
                let taken = processor_time() - begin;
                assert!(taken < Duration::from_secs(20), "{}, round {round}: {taken:?}", file.display());
            }
        }
    }
}

/// What nests or grows without end.
#[test]
fn names_of_functions_that_have_no_end() {
    for (start, part, times) in [("_Z1f", "P", 100_000), ("_ZN", "1a", 50_000), ("_RN", "vC", 50_000)] {
        fuzzed::function_name(format!("{start}{}", part.repeat(times)).as_bytes());
    }
}
