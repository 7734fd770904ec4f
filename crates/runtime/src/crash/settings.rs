//! What was decided at load, for reports.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt::Write;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

use crate::platform;
use crate::state::STATE;
use settings::options::{Options, REPORT_MAX, TERMINATION_LOG_MAX};
use wording::line::Line;
use wording::words;

/// The signals that can be reported, as a signal mask.
pub const CRASH_SIGNALS: u64 = 1 << (SIGSEGV - 1)
    | 1 << (SIGBUS - 1)
    | 1 << (SIGILL - 1)
    | 1 << (SIGFPE - 1)
    | 1 << (SIGABRT - 1)
    | 1 << (SIGTRAP - 1)
    | 1 << (SIGSYS - 1);

/// What was decided at load.
pub struct Settings {
    options: UnsafeCell<Options>,
    /// Base name of the executable file, zero-padded.
    program: UnsafeCell<[u8; 64]>,
}

// SAFETY: written by the constructor alone, before it gives the kernel a handler and sets ACTIVE (Release). Read by those handlers,
// which the kernel calls only after it was given them, and by threads that have seen ACTIVE (Acquire). Threads that another library's
// constructor has started before can do neither.
unsafe impl Sync for Settings {}

static SETTINGS: Settings = Settings { options: UnsafeCell::new(Options::DEFAULT), program: UnsafeCell::new([0; 64]) };

/// What the settings name. Zeros at the start, so that the pages take memory only where something is named.
struct Paths {
    /// The directory for reports, zero-padded: the environment that it was named in may be overwritten with a title.
    directory: UnsafeCell<[u8; REPORT_MAX + 1]>,
    /// A container's termination log, likewise.
    termination_log: UnsafeCell<[u8; TERMINATION_LOG_MAX + 1]>,
}

// SAFETY: as of `Settings`.
unsafe impl Sync for Paths {}

static PATHS: Paths = Paths {
    directory: UnsafeCell::new([0; REPORT_MAX + 1]),
    termination_log: UnsafeCell::new([0; TERMINATION_LOG_MAX + 1]),
};

/// See [`is_active`].
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// When the process began, for us: the load, or the fork.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// The settings that hold.
pub fn options() -> &'static Options {
    // SAFETY: not written any more (`unsafe impl Sync`).
    unsafe { &*SETTINGS.options.get() }
}

/// Base name of the executable file.
pub fn program() -> &'static [u8] {
    // SAFETY: not written any more (`unsafe impl Sync`).
    let name = unsafe { &*SETTINGS.program.get() };
    name.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Whether any signal is owned, and threads get an alternate stack.
pub fn is_active() -> bool {
    ACTIVE.load(Acquire)
}

/// Says that all is ready. For the constructor, at its end: another library's constructor may have started threads, which make
/// threads meanwhile.
pub fn set_active() {
    ACTIVE.store(true, Release);
}

/// When the process began, for us: the load, or the fork; on the clock of [`platform::nanoseconds`].
pub fn started() -> u64 {
    STARTED.load(Relaxed)
}

/// The process begins now.
pub fn set_started() {
    STARTED.store(platform::nanoseconds(), Relaxed);
}

/// Notes the settings. `complain` says whether to write a line about a directory that reports can't be written to. For the constructor.
pub fn note(options: &Options, program: &[u8], complain: bool) {
    // SAFETY: the constructor runs once, and nobody reads them before it gives the kernel a handler or sets ACTIVE.
    unsafe {
        let kept = &mut *SETTINGS.options.get();
        // These point into the environment; which programs to act in has been decided.
        *kept = Options { report: None, termination_log: None, only: b"", ..*options };
        for (to, from) in (*SETTINGS.program.get()).iter_mut().take(63).zip(program) {
            *to = *from;
        }
        if let Some(directory) = options.report {
            kept.report = keep(&mut *PATHS.directory.get(), directory);
            open_directory(&*PATHS.directory.get(), complain);
            STATE.directory.store(PATHS.directory.get().addr() as u64, Relaxed);
            STATE.directory_length.store(directory.len() as u32, Relaxed);
        }
        if let Some(path) = options.termination_log {
            kept.termination_log = keep(&mut *PATHS.termination_log.get(), path);
        }
    }
    STATE.crash.store(options.crash as u32, Relaxed);
    STATE.format.store(options.format as u32, Relaxed);
    STATE.targets.store(u32::from(options.targets), Relaxed);
}

/// Copies a path, with a zero byte at its end.
fn keep<const N: usize>(slot: &'static mut [u8; N], path: &[u8]) -> Option<&'static [u8]> {
    for (to, from) in slot.iter_mut().take(N - 1).zip(path) {
        *to = *from;
    }
    slot.get(..path.len())
}

/// The directory for reports, by its name.
pub fn report_directory() -> Option<&'static CStr> {
    options().report?;
    // SAFETY: not written any more (`unsafe impl Sync`).
    CStr::from_bytes_until_nul(unsafe { &*PATHS.directory.get() }).ok()
}

/// Opens the directory for reports, whose name ends in a zero byte.
fn open_directory(name: &[u8], complain: bool) {
    let Ok(path) = CStr::from_bytes_until_nul(name) else { return };
    if let Err(error) = platform::open_report_directory(path)
        && complain
    {
        let mut line = Line::<512>::new();
        line.push(b"no reports can be written to ");
        line.push_foreign(path.to_bytes(), 256);
        let _ = write!(line, ": {}; they will be on standard error", words::error(error));
        platform::write_stderr(line.finish());
    }
}
