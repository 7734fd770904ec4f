//! Handlers of the program that have returned to an instruction which can't succeed.
//!
//! The program would execute it and run its handler for ever. But a fault that comes again need not mean that: a garbage collector's
//! handler makes a page writable, the store succeeds, and the next store to the page, which is protected again, faults with the same
//! values in all registers. So a handler's return counts as futile only if the instruction could not succeed at that moment, and
//! was the next one that faulted in this thread.

use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::pid_t;

use crate::platform::{self, Fault, Registers};

/// Within how many nanoseconds after the handler's return the instruction has to fault again. If the thread takes longer, as on a
/// busy machine, the handler is called once more.
const SOON: u64 = 100_000_000;
/// Bytes of an instruction that are compared: no instruction of x86_64 or arm64 has more than 15.
const LONGEST_INSTRUCTION: usize = 16;

/// The last return of each thread, by the lowest bits of its id. Two threads with the same ones replace each other's: then a handler
/// is called once more.
static RETURNS: [Return; 16] = [const { Return::none() }; 16];
/// Whether anything was ever remembered.
static ANY: AtomicBool = AtomicBool::new(false);

/// A handler's return to an instruction that can't succeed.
struct Return {
    tid: AtomicU64,
    /// [`digest`] of the fault; 0 for none.
    state: AtomicU64,
    /// When the handler returned, on the clock of [`platform::nanoseconds`].
    time: AtomicU64,
}

impl Return {
    const fn none() -> Self {
        Self { tid: AtomicU64::new(0), state: AtomicU64::new(0), time: AtomicU64::new(0) }
    }
}

/// The bytes of an instruction, to see whether a handler has replaced it.
#[derive(PartialEq, Eq)]
pub struct Instruction([u8; LONGEST_INSTRUCTION]);

impl Instruction {
    /// The bytes at the fault's program counter.
    pub fn of(fault: &Fault) -> Self {
        let mut code = [0; LONGEST_INSTRUCTION];
        platform::read_here(fault.registers.pc(), &mut code);
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

/// Whether this is the fault that [`remember`] has noted, again. Forgets it.
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
