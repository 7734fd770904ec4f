//! The counters of this process, in an exported static in which `nosigpipe status` finds them.

pub use settings::layout::*;

use core::sync::atomic::{AtomicU32, AtomicU64};

use settings::options::{CRASH_SIGNALS, Crash, Format, Log};

/// The state of this process. The launcher reads it from outside, and so at any moment: no order of the writes could
/// help it, and Relaxed is enough for each field.
#[unsafe(export_name = "nosigpipe_state")]
pub static STATE: State = State {
    magic: MAGIC,
    version: VERSION,
    size: size_of::<State>() as u32,
    stage: AtomicU32::new(Stage::Loaded as u32),
    scope: AtomicU32::new(0),
    pid: AtomicU32::new(0),
    belief: AtomicU32::new(Disposition::Default as u32),
    belief_handler: AtomicU64::new(0),
    sockets: AtomicU64::new(0),
    accepted: AtomicU64::new(0),
    crash_reports: AtomicU64::new(0),
    broken_pipes: [const { AtomicU64::new(0) }; CALLS.len()],
    crash: AtomicU32::new(Crash::Off as u32),
    format: AtomicU32::new(Format::Text as u32),
    log: AtomicU32::new(Log::Off as u32),
    targets: AtomicU32::new(0),
    owned: AtomicU32::new(0),
    directory_length: AtomicU32::new(0),
    directory: AtomicU64::new(0),
    crash_beliefs: [const { AtomicU64::new(0) }; CRASH_SIGNALS.len()],
};
