//! The library's state, copied out of a process.

use std::mem::offset_of;

use settings::layout::{CALLS, Disposition, MAGIC, Stage, State, VERSION};
use settings::options::{CRASH_SIGNALS, Crash, Format, Log, REPORT_MAX, Scope};

/// The library's [`State`] as it was at one moment. A field is `None` where its number has no meaning to this launcher.
pub struct Snapshot {
    /// Where the library stands in the process.
    pub stage: Option<Stage>,
    /// Where SIGPIPE is kept away.
    pub scope: Option<Scope>,
    /// The process that the numbers belong to, as it sees itself in its own pid namespace.
    pub pid: u32,
    /// What the program would be told if it asked for SIGPIPE's disposition.
    pub belief: Option<Disposition>,
    /// Address of the program's own SIGPIPE handler, 0 without one.
    pub belief_handler: u64,
    /// Sockets made.
    pub sockets: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Crash reports begun.
    pub crash_reports: u64,
    /// Broken pipes survived by each call, in the order of [`CALLS`].
    pub broken_pipes: Vec<u64>,
    /// What the library does about crashes.
    pub crash: Option<Crash>,
    /// In which format it reports them.
    pub format: Option<Format>,
    /// What it writes to standard error about broken pipes.
    pub log: Option<Log>,
    /// Where reports go besides the directory: bits of `options::TARGETS`.
    pub targets: u32,
    /// The crash signals whose actions are the library's to set: bit n for entry n of [`CRASH_SIGNALS`].
    pub owned: u32,
    /// Address and length in bytes of the name of the directory for reports.
    pub directory: Option<(u64, usize)>,
    /// What the program would be told of each crash signal, in the order of [`CRASH_SIGNALS`]: `SIG_DFL` (0), `SIG_IGN`
    /// (1) or its handler's address.
    pub crash_beliefs: Vec<u64>,
}

/// The library in a process.
pub struct Library {
    /// The file that it was loaded from, as the process sees it; Linux adds ` (deleted)`.
    pub path: String,
    /// Its state, or in words why that can't be decoded.
    pub snapshot: Result<Snapshot, String>,
    /// The directory for reports.
    pub directory: Option<String>,
}

impl Library {
    /// Decodes the bytes of its state. `read` takes an address and a size and reads the process's memory.
    pub fn new(path: String, state: &[u8], read: impl FnOnce(u64, usize) -> Option<Vec<u8>>) -> Self {
        let snapshot = Snapshot::decode(state);
        let directory = snapshot.as_ref().ok().and_then(|snapshot| snapshot.directory);
        let directory = directory.and_then(|(address, size)| read(address, size));
        Self { path, snapshot, directory: directory.map(|name| String::from_utf8_lossy(&name).into_owned()) }
    }

    /// Of several copies in one process, all use the state of one. Whether this can be it: a copy whose state can't be
    /// decoded may be, too.
    pub fn is_used(&self) -> bool {
        self.snapshot.as_ref().map_or(true, |snapshot| snapshot.stage != Some(Stage::Loaded))
    }
}

/// What the kernel does with a process's signals, as sets: bit n is for signal n + 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    /// Those that are ignored.
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

    /// Whether the process ignores a signal.
    pub fn ignores(&self, signal: libc::c_int) -> bool {
        Self::has(self.ignored, signal)
    }

    /// Whether the process has a handler for a signal.
    pub fn catches(&self, signal: libc::c_int) -> bool {
        Self::has(self.caught, signal)
    }

    /// Whether the main thread blocks a signal; `None` where the kernel does not tell.
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
    /// Size of the library's state in bytes.
    pub const SIZE: usize = size_of::<State>();

    /// Decodes a state.
    ///
    /// # Errors
    /// What is wrong with it, in words.
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

    /// All broken pipes that were counted. The sum saturates, since the process may have written any numbers there.
    pub fn broken_pipes(&self) -> u64 {
        self.broken_pipes.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The calls that met broken pipes, with how many.
    pub fn by_call(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CALLS.into_iter().zip(self.broken_pipes.iter().copied()).filter(|(_, count)| *count > 0)
    }
}
