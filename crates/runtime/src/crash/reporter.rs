//! What writes a report, which the constructor hands over, and how far the report is.

use core::fmt;
use core::ptr;
use core::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::c_int;

/// What writes a report, and the memory that it uses. It is no part of this crate, since it allocates.
pub struct Reporter {
    /// Writes the whole report, to `stderr` (-1 for none) and wherever else it goes; without debug information unless it is
    /// `full`, and without the other threads for the reason that `others` says.
    pub write: fn(stderr: c_int, full: bool, others: Result<(), &'static str>),
    /// Gives back all memory that a report has used, or an earlier attempt at one.
    pub start_anew: fn(),
    /// Writes a symbol's name demangled.
    pub demangle: fn(symbol: &[u8], to: &mut dyn fmt::Write),
    /// Takes an inaccessible mapping, by address and size in bytes, which becomes memory when the kernel has no other.
    pub keep_in_reserve: fn(start: usize, size: usize),
    /// Resumes the other threads, which the report has stopped.
    pub resume_threads: fn(),
}

/// The reporter before [`start`]: does nothing.
static NO_REPORTER: Reporter = Reporter {
    write: |_, _, _| {},
    start_anew: || {},
    demangle: |_, _| {},
    keep_in_reserve: |_, _| {},
    resume_threads: || {},
};

static REPORTER: AtomicPtr<Reporter> = AtomicPtr::new((&raw const NO_REPORTER).cast_mut());

/// Sets the reporter. For the constructor.
pub fn start(reporter: &'static Reporter) {
    REPORTER.store(ptr::from_ref(reporter).cast_mut(), Release);
}

/// What writes the report.
pub fn reporter() -> &'static Reporter {
    // SAFETY: the address of a static: `NO_REPORTER`, or the one that `start` has published with Release.
    unsafe { &*REPORTER.load(Acquire) }
}

/// How far the report is: in memory that the crashed process shares with the copy that writes it.
#[repr(C)]
pub struct Progress {
    /// 1 when it is done.
    pub done: AtomicU32,
    /// 1 when the copy has written the first lines, where that is left to it.
    pub header: AtomicU32,
    /// Which logs the copy has sent the report to, as bits of `capture`, so that a second copy does not send it again.
    pub logged: AtomicU32,
    /// How many bytes of `draft` there are.
    pub draft_length: AtomicU32,
    /// The name of the file that the report will be in, in the directory for reports, once a draft of it is there ([`DRAFT`]).
    pub draft: [AtomicU8; NAME_MAX],
    /// How many of `frames` are known.
    pub known: AtomicU32,
    /// The crashed thread's program counter and return addresses.
    pub frames: [AtomicU64; FRAMES],
}

/// Bytes of a file's name, at most (limits.h).
pub const NAME_MAX: usize = 255;

/// What is put in front of a report's name and behind it, as long as it is a draft.
pub const DRAFT: (&str, &str) = (".", ".part");

/// Frames that have room in the shared page.
pub const FRAMES: usize = 256;

/// The shared page; null where there is none.
static PROGRESS: AtomicPtr<Progress> = AtomicPtr::new(ptr::null_mut());

/// How far the report is; `None` where there is no memory to share that.
pub fn progress() -> Option<&'static Progress> {
    // SAFETY: null, or a page of zeros, which are valid atomics, that `set_progress` has published. It is unmapped only after
    // `take_progress`, when the report is over and its references are gone.
    unsafe { PROGRESS.load(Acquire).as_ref() }
}

impl Progress {
    /// Notes that a draft of the report is in the directory, which is to have this name; an empty one: there is none any more.
    pub fn note_draft(&self, name: &[u8]) {
        self.draft_length.store(0, Release);
        // The longest name is that of a draft while it is written.
        if name.len() + "..".len() + ".part.tmp".len() > NAME_MAX {
            return;
        }
        for (to, from) in self.draft.iter().zip(name) {
            to.store(*from, Relaxed);
        }
        self.draft_length.store(name.len() as u32, Release);
    }

    /// Takes the name that was noted, which goes to the beginning of `name`; its length, 0 for none.
    pub fn take_draft(&self, name: &mut [u8; NAME_MAX]) -> usize {
        let length = (self.draft_length.swap(0, Acquire) as usize).min(NAME_MAX);
        for (to, from) in name.iter_mut().zip(&self.draft).take(length) {
            *to = from.load(Relaxed);
        }
        length
    }
}

/// Where a report notes from now on how far it is; null for nowhere.
pub fn set_progress(progress: *mut Progress) {
    PROGRESS.store(progress, Release);
}

/// Nothing is noted from now on; returns where it was.
pub fn take_progress() -> *mut Progress {
    PROGRESS.swap(ptr::null_mut(), Relaxed)
}
