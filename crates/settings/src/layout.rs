//! What `nosigpipe status` reads out of a running process: one static, found by its exported symbol, and the name of a
//! directory that it leads to.
//!
//! A field is only ever added at the end, with a new
//! [`VERSION`]; the launcher refuses versions that it does not know.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::options::CRASH_SIGNALS;

/// First bytes of [`State`].
pub const MAGIC: [u8; 8] = *b"nosigpip";
/// Version of the layout.
pub const VERSION: u32 = 2;
/// Name of the exported symbol.
pub const SYMBOL: &str = "nosigpipe_state";

/// Calls by which broken pipes are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Call {
    /// send(2)
    Send,
    /// sendto(2)
    Sendto,
    /// sendmsg(2)
    Sendmsg,
    /// sendmmsg(2)
    Sendmmsg,
    /// write(2)
    Write,
    /// writev(2)
    Writev,
    /// pwritev2(2)
    Pwritev2,
    /// sendfile(2)
    Sendfile,
    /// splice(2)
    Splice,
    /// io_uring_enter(2)
    IoUringEnter,
    /// A call that the guard handler could not name.
    Other,
}

/// Names of [`Call`]s, in their order.
pub const CALLS: [&str; 11] = [
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "write",
    "writev",
    "pwritev2",
    "sendfile",
    "splice",
    "io_uring_enter",
    "other",
];

/// What a signal's disposition is, as a number that fits the layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Disposition {
    /// `SIG_DFL`
    Default,
    /// `SIG_IGN`
    Ignore,
    /// A handler.
    Handler,
}

/// Where the library stands in this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Stage {
    /// The constructor has not run.
    Loaded,
    /// In force.
    Active,
    /// `NOSIGPIPE_ONLY` names other programs.
    Inert,
    /// Loaded, but the program's calls bypass the library (macOS: interposing was forbidden).
    NotInterposing,
}

/// Counters and settings in force. Numbers are native-endian; counters only grow, and start anew in a forked child.
#[repr(C)]
pub struct State {
    /// [`MAGIC`]
    pub magic: [u8; 8],
    /// [`VERSION`]
    pub version: u32,
    /// Size of this structure in bytes.
    pub size: u32,
    /// A [`Stage`].
    pub stage: AtomicU32,
    /// An [`Scope`](crate::options::Scope): the one in force, which is `sockets` in children and shells.
    pub scope: AtomicU32,
    /// The process these numbers belong to.
    pub pid: AtomicU32,
    /// A [`Disposition`]: what the program would be told if it asked for SIGPIPE's.
    pub belief: AtomicU32,
    /// Address of the program's own SIGPIPE handler, 0 without one.
    pub belief_handler: AtomicU64,
    /// Sockets made by `socket` and `socketpair` (two for a pair).
    pub sockets: AtomicU64,
    /// Sockets accepted.
    pub accepted: AtomicU64,
    /// Crash reports begun.
    pub crash_reports: AtomicU64,
    /// Broken pipes survived, by [`Call`].
    pub broken_pipes: [AtomicU64; CALLS.len()],
    /// An [`options::Crash`](crate::options::Crash).
    pub crash: AtomicU32,
    /// An [`options::Format`](crate::options::Format).
    pub format: AtomicU32,
    /// An [`options::Log`](crate::options::Log).
    pub log: AtomicU32,
    /// The targets of reports besides directories: bits of [`options::TARGETS`](crate::options::TARGETS).
    pub targets: AtomicU32,
    /// The crash signals whose actions are the library's to set: bit n for entry n of [`CRASH_SIGNALS`].
    pub owned: AtomicU32,
    /// Bytes in the name of the directory for reports, 0 for none.
    pub directory_length: AtomicU32,
    /// Address of that name.
    pub directory: AtomicU64,
    /// What the program would be told if it asked for the owned crash signals' actions, in the order of [`CRASH_SIGNALS`]:
    /// `SIG_DFL` (0), `SIG_IGN` (1) or its handler's address.
    pub crash_beliefs: [AtomicU64; CRASH_SIGNALS.len()],
}

impl State {
    /// Counts one.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Counts a broken pipe that the program survived.
    pub fn count_broken_pipe(&self, call: Call) {
        if let Some(counter) = self.broken_pipes.get(call as usize) {
            Self::count(counter);
        }
    }

    /// All broken pipes survived.
    pub fn broken_pipes(&self) -> u64 {
        self.broken_pipes.iter().map(|counter| counter.load(Relaxed)).sum()
    }

    /// Starts the counters anew, in a forked child.
    pub fn reset(&self, pid: u32) {
        self.pid.store(pid, Relaxed);
        for counter in [&self.sockets, &self.accepted, &self.crash_reports].into_iter().chain(&self.broken_pipes) {
            counter.store(0, Relaxed);
        }
    }
}
