//! The library's state, as it was copied out of a process.

use std::mem::offset_of;

use settings::layout::{CALLS, Disposition, MAGIC, Stage, State, VERSION};
use settings::options::{CRASH_SIGNALS, Crash, Format, Log, REPORT_MAX, Scope};

/// What the library's static said at one moment.
pub struct Snapshot {
    pub stage: Option<Stage>,
    pub scope: Option<Scope>,
    /// The process that the numbers belong to, as it sees itself in its own pid namespace.
    pub pid: u32,
    pub belief: Option<Disposition>,
    pub belief_handler: u64,
    pub sockets: u64,
    pub accepted: u64,
    pub crash_reports: u64,
    /// In the order of [`CALLS`].
    pub broken_pipes: Vec<u64>,
    pub crash: Option<Crash>,
    pub format: Option<Format>,
    pub log: Option<Log>,
    /// Bits of `options::TARGETS`.
    pub targets: u32,
    /// Bits of [`CRASH_SIGNALS`].
    pub owned: u32,
    /// Where the name of the directory for reports is, and its length.
    pub directory: Option<(u64, usize)>,
    /// In the order of [`CRASH_SIGNALS`].
    pub crash_beliefs: Vec<u64>,
}

/// The library in a process.
pub struct Library {
    /// The file that it was loaded from, as the process sees it; Linux adds ` (deleted)`.
    pub path: String,
    /// What its state says, or why no sense can be made of it.
    pub snapshot: Result<Snapshot, String>,
    /// The directory for reports that the state leads to.
    pub directory: Option<String>,
}

impl Library {
    /// By the bytes of its state; `read` reads so many bytes of the process's memory.
    pub fn new(path: String, state: &[u8], read: impl FnOnce(u64, usize) -> Option<Vec<u8>>) -> Self {
        let snapshot = Snapshot::decode(state);
        let directory = snapshot.as_ref().ok().and_then(|snapshot| snapshot.directory);
        let directory = directory.and_then(|(address, size)| read(address, size));
        Self { path, snapshot, directory: directory.map(|name| String::from_utf8_lossy(&name).into_owned()) }
    }

    /// Whether it is the one of several copies whose state all of them use. One of another version may be.
    pub fn is_used(&self) -> bool {
        self.snapshot.as_ref().map_or(true, |snapshot| snapshot.stage != Some(Stage::Loaded))
    }
}

/// What the kernel does with a process's signals: bit n is for signal n + 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    pub ignored: u64,
    /// Those that have a handler.
    pub caught: u64,
    /// Those that are blocked in the main thread, where the kernel tells.
    pub blocked: Option<u64>,
}

impl Signals {
    /// Whether a set has a signal.
    fn has(set: u64, signal: libc::c_int) -> bool {
        set & 1 << (signal - 1) != 0
    }

    pub fn ignores(&self, signal: libc::c_int) -> bool {
        Self::has(self.ignored, signal)
    }

    pub fn catches(&self, signal: libc::c_int) -> bool {
        Self::has(self.caught, signal)
    }

    pub fn blocks(&self, signal: libc::c_int) -> Option<bool> {
        self.blocked.map(|blocked| Self::has(blocked, signal))
    }

    /// What it does with a signal.
    pub fn disposition(&self, signal: libc::c_int) -> Disposition {
        match (self.ignores(signal), self.catches(signal)) {
            (true, _) => Disposition::Ignore,
            (_, true) => Disposition::Handler,
            _ => Disposition::Default,
        }
    }
}

impl Snapshot {
    /// Bytes to copy.
    pub const SIZE: usize = size_of::<State>();

    /// Makes sense of the bytes, or says what is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let u32_at = |offset: usize| {
            bytes.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_ne_bytes)
        };
        let u64_at = |offset: usize| {
            bytes.get(offset..offset + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
        };
        if !bytes.starts_with(&MAGIC) {
            return Err("its state does not begin as it should".into());
        }
        let version = u32_at(offset_of!(State, version));
        if version != VERSION || u32_at(offset_of!(State, size)) as usize != Self::SIZE {
            return Err(format!("its state has version {version} and this launcher knows version {VERSION}"));
        }
        let stages = [Stage::Loaded, Stage::Active, Stage::Inert, Stage::NotInterposing];
        let dispositions = [Disposition::Default, Disposition::Ignore, Disposition::Handler];
        let (stage, belief) = (u32_at(offset_of!(State, stage)), u32_at(offset_of!(State, belief)));
        let length = u32_at(offset_of!(State, directory_length)) as usize;
        let crash_beliefs = offset_of!(State, crash_beliefs);
        let broken_pipes = offset_of!(State, broken_pipes);
        Ok(Self {
            stage: stages.into_iter().find(|known| *known as u32 == stage),
            scope: Scope::of_number(u32_at(offset_of!(State, scope))),
            pid: u32_at(offset_of!(State, pid)),
            belief: dispositions.into_iter().find(|known| *known as u32 == belief),
            belief_handler: u64_at(offset_of!(State, belief_handler)),
            sockets: u64_at(offset_of!(State, sockets)),
            accepted: u64_at(offset_of!(State, accepted)),
            crash_reports: u64_at(offset_of!(State, crash_reports)),
            broken_pipes: (0..CALLS.len()).map(|index| u64_at(broken_pipes + 8 * index)).collect(),
            crash: Crash::of_number(u32_at(offset_of!(State, crash))),
            format: Format::of_number(u32_at(offset_of!(State, format))),
            log: Log::of_number(u32_at(offset_of!(State, log))),
            targets: u32_at(offset_of!(State, targets)),
            owned: u32_at(offset_of!(State, owned)),
            directory: (1..=REPORT_MAX).contains(&length).then(|| (u64_at(offset_of!(State, directory)), length)),
            crash_beliefs: (0..CRASH_SIGNALS.len()).map(|index| u64_at(crash_beliefs + 8 * index)).collect(),
        })
    }

    /// All broken pipes that were counted; the process may have written anything there.
    pub fn broken_pipes(&self) -> u64 {
        self.broken_pipes.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The calls by which there were any, with their numbers.
    pub fn by_call(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CALLS.into_iter().zip(self.broken_pipes.iter().copied()).filter(|(_, count)| *count > 0)
    }
}
