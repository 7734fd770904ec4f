//! From a signal to the end of the process: the crash report.
//!
//! The order is that of risk, and each step works if all later ones fail:
//!
//! 1. [`handler`]: whose crash it is, and that only one is reported at a time
//! 2. [`header`]: the first lines, from a fixed buffer
//! 3. [`copy`]: a copy of the process that takes its time over the rest
//! 4. [`raw`]: addresses, if there could be no copy
//! 5. [`death`]: the end that the process would have had without us
//!
//! Everything outside `copy` runs in a broken process: no malloc, no lock, no panic, no libc
//! function but those that the library brings itself, no memory that might not be there.

mod child;
pub mod copy;
mod death;
pub mod handler;
pub mod header;
mod ownership;
mod raw;
mod returns;
mod stacks;
mod vm_child;

#[cfg(target_os = "linux")]
pub use child::ended as child_ended;
pub use copy::Reporter;
pub use handler::wait_for_crash_in_progress;
#[cfg(target_os = "linux")]
pub use ownership::let_abort_through;
pub use ownership::{is_dying, owned};
pub use stacks::{Routine, create as create_thread, told_size as signal_stack_size};
#[cfg(target_os = "linux")]
pub use stacks::{give_key_up, lock_all};

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt::Write;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::pid_t;

use crate::platform::{self, Cause, Fault};
use crate::state::STATE;
use settings::options::{Core, Crash, Options, REPORT_MAX, TERMINATION_LOG_MAX};
use wording::line::Line;
use wording::words;

/// What was decided at load.
pub struct Settings {
    options: UnsafeCell<Options>,
    /// Base name of the executable file, zero-padded.
    program: UnsafeCell<[u8; 64]>,
    /// The directory for reports, zero-padded: the environment that it was named in may be overwritten with a title.
    directory: UnsafeCell<[u8; REPORT_MAX + 1]>,
    /// The file for what a container has died of, likewise.
    termination_log: UnsafeCell<[u8; TERMINATION_LOG_MAX + 1]>,
}

// SAFETY: written by the constructor alone, before it has a handler installed and sets ACTIVE (Release); read by those handlers, and
// by who has seen ACTIVE (Acquire) or a claim. Threads that another library's constructor has started before do neither.
unsafe impl Sync for Settings {}

static SETTINGS: Settings = Settings {
    options: UnsafeCell::new(Options::DEFAULT),
    program: UnsafeCell::new([0; 64]),
    directory: UnsafeCell::new([0; REPORT_MAX + 1]),
    termination_log: UnsafeCell::new([0; TERMINATION_LOG_MAX + 1]),
};

/// Whether any signal is owned.
static ACTIVE: AtomicBool = AtomicBool::new(false);

/// When the process began, for us: the load, or the fork.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// The settings that hold.
pub fn options() -> &'static Options {
    // SAFETY: as said where they are made Sync.
    unsafe { &*SETTINGS.options.get() }
}

/// Base name of the executable file.
pub fn program() -> &'static [u8] {
    // SAFETY: as said where they are made Sync.
    let name = unsafe { &*SETTINGS.program.get() };
    name.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Whether threads get an alternate stack.
pub fn is_active() -> bool {
    ACTIVE.load(Acquire)
}

/// Takes the crash signals over. `complain` about a directory that reports can't be written to. For the constructor.
pub fn start(options: &Options, program: &[u8], complain: bool, reporter: &'static Reporter) {
    match options.core {
        Core::Keep => {}
        Core::Unlimited => platform::raise_core_limit(u64::MAX),
        Core::Bytes(bytes) => platform::raise_core_limit(bytes),
    }
    if options.crash == Crash::Off || options.crash_signals == 0 || platform::is_sanitized() {
        return;
    }
    // SAFETY: the constructor runs once, and nobody reads them yet.
    unsafe {
        let kept = &mut *SETTINGS.options.get();
        // These point into the environment; which programs to act in has been decided.
        *kept = Options { report: None, termination_log: None, only: b"", ..*options };
        for (to, from) in (*SETTINGS.program.get()).iter_mut().take(63).zip(program) {
            *to = *from;
        }
        if let Some(directory) = options.report {
            kept.report = keep(&mut *SETTINGS.directory.get(), directory);
            open_directory(&*SETTINGS.directory.get(), complain);
            STATE.directory.store(SETTINGS.directory.get().addr() as u64, Relaxed);
            STATE.directory_length.store(directory.len() as u32, Relaxed);
        }
        if let Some(path) = options.termination_log {
            kept.termination_log = keep(&mut *SETTINGS.termination_log.get(), path);
        }
    }
    STATE.crash.store(options.crash as u32, Relaxed);
    STATE.format.store(options.format as u32, Relaxed);
    STATE.targets.store(u32::from(options.targets), Relaxed);
    STARTED.store(platform::nanoseconds(), Relaxed);
    platform::learn_core_files();
    platform::learn_filter();
    copy::start(reporter);
    stacks::start();
    ownership::start(options.crash_signals);
    platform::prepare_to_relay(signal_stack_size(), handler::address());
    // Last: another library's constructor may have started threads, which make threads meanwhile.
    ACTIVE.store(true, Release);
    platform::at_exit(at_exit);
}

/// Copies a path, with a zero byte at its end.
fn keep<const N: usize>(slot: &'static mut [u8; N], path: &[u8]) -> Option<&'static [u8]> {
    for (to, from) in slot.iter_mut().take(N - 1).zip(path) {
        *to = *from;
    }
    slot.get(..path.len())
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

/// Makes this process's data its own after a fork.
pub fn adopt_forked_child() {
    if is_active() {
        // libc would not have asked for the time.
        if !platform::is_filtered() {
            STARTED.store(platform::nanoseconds(), Relaxed);
        }
        handler::adopt_forked_child();
        child::adopt_forked_child();
        stacks::adopt_forked_child();
    }
}

/// Inside exit(3), after the program's own handlers.
extern "C" fn at_exit() {
    wait_for_crash_in_progress();
}

/// A crash, as the copy of the process finds it in its memory.
#[derive(Clone, Copy)]
pub struct Incident {
    /// What the report is about.
    pub fault: Fault,
    /// The signal that came: the same, unless a handler of the program has raised it for the fault.
    pub raised: Fault,
    /// Whether it has: `raised` is not all that happened.
    pub is_raised_again: bool,
    /// Why the processor refused the instruction.
    pub cause: Cause,
    /// The whole siginfo.
    pub info: [u64; 16],
    /// The process that crashed.
    pub pid: pid_t,
    /// The thread that crashed.
    pub tid: pid_t,
    /// Zero-padded.
    pub thread: [u8; 16],
    /// Seconds and nanoseconds since 1970.
    pub time: (i64, u32),
    /// Nanoseconds.
    pub uptime: u64,
    /// When the report must be done, on the clock of [`platform::nanoseconds`].
    pub deadline: u64,
}
