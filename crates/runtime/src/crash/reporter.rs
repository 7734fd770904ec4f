//! What writes a report (it is handed down by the constructor), and how far the report is.

use core::fmt;
use core::ptr;
use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::c_int;

/// What writes a report, and the memory that it uses. It is no part of this crate, since it allocates.
pub struct Reporter {
    /// Writes the whole report, to `stderr` (-1 for none) and wherever else it goes; without debug information unless it is
    /// `full`, and without the other threads for the reason that `others` says.
    pub write: fn(stderr: c_int, full: bool, others: Result<(), &'static str>),
    /// Forgets all memory that an earlier attempt at a report has used.
    pub start_anew: fn(),
    /// Writes the name of a function, as its symbol has it, as people write it.
    pub demangle: fn(symbol: &[u8], to: &mut dyn fmt::Write),
    /// Names inaccessible pages, by their address and size in bytes, that become memory when the kernel has no other.
    pub keep_in_reserve: fn(start: usize, size: usize),
    /// Lets the other threads go on, which the report has stopped.
    pub resume_threads: fn(),
}

/// Before [`start`].
static NO_REPORTER: Reporter = Reporter {
    write: |_, _, _| {},
    start_anew: || {},
    demangle: |_, _| {},
    keep_in_reserve: |_, _| {},
    resume_threads: || {},
};

static REPORTER: AtomicPtr<Reporter> = AtomicPtr::new((&raw const NO_REPORTER).cast_mut());

/// For the constructor.
pub fn start(reporter: &'static Reporter) {
    REPORTER.store(ptr::from_ref(reporter).cast_mut(), Release);
}

/// What writes the report.
pub fn reporter() -> &'static Reporter {
    // SAFETY: nobody, or what `start` was given; both stay, and are only read.
    unsafe { &*REPORTER.load(Acquire) }
}

/// What is known of the report while it is being written.
#[repr(C)]
pub struct Progress {
    /// 1 when it is done.
    pub done: AtomicU32,
    /// 1 when the copy has written the first lines, where that is left to it.
    pub header: AtomicU32,
    /// 1 when the copy has told the system's log and the like: a second copy does not tell them again.
    pub logged: AtomicU32,
    /// How many of `frames` are known.
    pub known: AtomicU32,
    /// The crashed thread's program counter and return addresses.
    pub frames: [AtomicU64; FRAMES],
}

/// Frames that fit into the shared page.
pub const FRAMES: usize = 256;

static PROGRESS: AtomicPtr<Progress> = AtomicPtr::new(ptr::null_mut());

/// What is known, if anything is.
pub fn progress() -> Option<&'static Progress> {
    // SAFETY: null, or a page that stays.
    unsafe { PROGRESS.load(Acquire).as_ref() }
}

/// Where a report notes from now on how far it is; null for nowhere.
pub fn set_progress(progress: *mut Progress) {
    PROGRESS.store(progress, Release);
}

/// Nothing is noted from now on; returns where it was.
pub fn take_progress() -> *mut Progress {
    PROGRESS.swap(ptr::null_mut(), Relaxed)
}
