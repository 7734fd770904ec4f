//! Handlers of the program that have returned to an instruction which can't succeed.
//!
//! The program would execute it and run its handler for ever. What looks the same may be progress, though: a collector's
//! handler makes a page writable, the store succeeds, and the next store to the page, protected again, faults with the same
//! in all registers. So a handler counts as having given up only if the instruction could not succeed at the moment of its
//! return, and was the next that faulted in this thread.

use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::pid_t;

use crate::platform::{self, Fault, Registers};

/// How long after the handler's return the instruction faults again, in nanoseconds. If the thread does not get to it in
/// that time, the handler is called once more.
const SOON: u64 = 100_000_000;
/// Bytes of the longest instruction that a processor has.
const LONGEST_INSTRUCTION: usize = 16;

/// Threads are told apart by the lowest bits of their ids; two of one kind only take turns in what is remembered.
static RETURNS: [Return; 16] = [const { Return::none() }; 16];
/// Whether anything was ever remembered.
static ANY: AtomicBool = AtomicBool::new(false);

struct Return {
    tid: AtomicU64,
    state: AtomicU64,
    time: AtomicU64,
}

impl Return {
    const fn none() -> Self {
        Self { tid: AtomicU64::new(0), state: AtomicU64::new(0), time: AtomicU64::new(0) }
    }
}

/// What can be compared after the handler has run: the instruction itself, which a handler may have replaced.
#[derive(PartialEq, Eq)]
pub struct Instruction([u8; LONGEST_INSTRUCTION]);

impl Instruction {
    /// What stands at the fault's program counter now.
    pub fn of(fault: &Fault) -> Self {
        let mut code = [0; LONGEST_INSTRUCTION];
        platform::read_memory(platform::pid(), fault.registers.pc(), &mut code);
        Self(code)
    }
}

fn of_thread(tid: pid_t) -> Option<&'static Return> {
    RETURNS.get(tid.unsigned_abs() as usize % RETURNS.len())
}

/// The program's handler for this fault has returned, and the instruction can't succeed.
pub fn remember(fault: &Fault) {
    let tid = platform::tid();
    if let Some(entry) = of_thread(tid) {
        entry.state.store(0, Relaxed);
        entry.time.store(platform::nanoseconds(), Relaxed);
        entry.tid.store(u64::from(tid.cast_unsigned()), Relaxed);
        entry.state.store(digest(fault), Release);
        ANY.store(true, Relaxed);
    }
}

/// Whether this is the fault of which [`remember`] was told, again. Forgets it.
pub fn was_futile(fault: &Fault) -> bool {
    if !ANY.load(Relaxed) {
        return false;
    }
    let tid = platform::tid();
    of_thread(tid).is_some_and(|entry| {
        let is_ours = entry.tid.load(Relaxed) == u64::from(tid.cast_unsigned());
        is_ours
            && entry.state.swap(0, Acquire) == digest(fault)
            && platform::nanoseconds().saturating_sub(entry.time.load(Relaxed)) < SOON
    })
}

/// Tells one state of a thread from another (FNV-1a over its registers and the fault's address).
fn digest(fault: &Fault) -> u64 {
    let Fault { signal, address, registers: Registers { general, .. }, .. } = fault;
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(signal.unsigned_abs());
    general.iter().chain([address]).fold(start, |sum, word| {
        word.to_le_bytes().iter().fold(sum, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    })
}
