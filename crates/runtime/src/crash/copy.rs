//! Where the report is written: in a copy of the process.
//!
//! The copy shares nothing with the process but one page, in which it says how far it is. It may take its time, allocate
//! and crash: its parent waits, bounded, and writes what it can itself if this fails. Where no copy can be made, the same
//! runs in the crashed thread on a stack of its own.

use core::fmt;
use core::ptr;
use core::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{c_int, c_void};

use super::{handler::incident, header, options, ownership};
use crate::platform::is_own_process;
use crate::platform::{self, CopyEnd, CopyWork};

/// Who writes a report, and with what memory. It is no part of this crate, since it allocates.
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

/// Who writes the report.
pub fn reporter() -> &'static Reporter {
    // SAFETY: nobody, or what `start` was given; both stay, and are only read.
    unsafe { &*REPORTER.load(Acquire) }
}

/// What is known of the report while it is being written.
#[repr(C)]
pub struct Progress {
    /// 1 when it is done.
    done: AtomicU32,
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
/// How much the next copy tries to report.
static LEVEL: AtomicU32 = AtomicU32::new(FULL);

const FULL: u32 = 0;
/// Without debug information and without the other threads.
const CAREFUL: u32 = 1;

/// What is known, if anything is.
pub fn progress() -> Option<&'static Progress> {
    // SAFETY: null, or a page that stays.
    unsafe { PROGRESS.load(Acquire).as_ref() }
}

/// Has the report written; whether it was.
#[inline(never)]
pub fn write() -> bool {
    header::start();
    // Nobody reads it: neither there, nor in a directory, nor in a log.
    if !header::has_reader() && options().report.is_none() && platform::is_confidential() {
        return true;
    }
    let page = platform::map(platform::PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    const { assert!(size_of::<Progress>() <= platform::PAGE) }; // signal-safe: at compile time
    PROGRESS.store(page.cast(), Release);
    let stack = new_stack();
    let top = stack.map_or(ptr::null_mut(), |(stack, size)| stack.wrapping_add(size));
    let mut is_written = false;
    for level in [FULL, CAREFUL] {
        LEVEL.store(level, Relaxed);
        let incident = incident();
        let done = progress().map(|progress| &progress.done);
        let first = (level == FULL).then_some(header::write as fn());
        let (pid, deadline) = (incident.pid, incident.deadline);
        let work = CopyWork { pid, top, first, begin, write: in_copy, argument: ptr::null(), done, deadline };
        // SAFETY: fresh memory for nothing else, or the stack that we are on, which is all there is. Mappings are aligned
        // to pages.
        match unsafe { platform::in_a_copy(work) } {
            CopyEnd::Done => is_written = true,
            CopyEnd::Crashed if level == FULL => continue,
            CopyEnd::Crashed | CopyEnd::TookTooLong => {}
            CopyEnd::NoCopy => {
                // SAFETY: as above.
                unsafe {
                    if top.is_null() {
                        without_copy(ptr::null_mut());
                    } else {
                        platform::call_on_stack(top, without_copy, ptr::null_mut());
                    }
                }
                is_written = true;
            }
        }
        break;
    }
    if let Some((stack, size)) = stack {
        // SAFETY: the copy has its own, and what we called there has returned.
        unsafe { platform::unmap(stack, size) };
    }
    is_written
}

/// Lets the other threads go on, which the report has stopped.
pub fn resume_threads() {
    (reporter().resume_threads)();
    let page = PROGRESS.swap(ptr::null_mut(), Relaxed);
    if !page.is_null() {
        // SAFETY: the copy has ended, and nobody else knows the page.
        unsafe { platform::unmap(page.cast(), platform::PAGE) };
    }
}

/// As large a stack as there is memory for, and its size.
pub fn new_stack() -> Option<(*mut u8, usize)> {
    [8 << 20, 1 << 20, 256 << 10].into_iter().find_map(|size| {
        let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        let stack = platform::map(size, libc::PROT_READ | libc::PROT_WRITE, flags);
        (!stack.is_null()).then_some((stack, size))
    })
}

/// First of all in a copy.
pub fn begin(_: *const c_void) {
    ownership::default_everywhere();
    platform::block(!ownership::CRASH_SIGNALS);
}

/// In a copy of a process that is not the one to which all this belongs: where this copy notes how far it is, and how much it tries to report.
pub fn take_over(progress: *mut Progress, is_careful: bool) {
    PROGRESS.store(progress, Release);
    LEVEL.store(if is_careful { CAREFUL } else { FULL }, Relaxed);
    header::start();
    (reporter().start_anew)();
}

/// The report, in a copy.
pub fn in_copy(stderr: c_int) {
    let full = LEVEL.load(Relaxed) == FULL;
    let others = if full {
        Ok(())
    } else {
        Err("a first attempt at this report has failed, and reading them might have been why")
    };
    (reporter().write)(stderr, full, others);
}

unsafe extern "C" fn without_copy(_: *mut c_void) {
    (reporter().start_anew)();
    // The handler's frame stands on the alternate stack, which to the kernel is free now that we are on another: the
    // next signal, of a system call that is trapped, would come there.
    platform::without_alternate_stack(|| {
        // To Mach a vforked child was the same task as its parent, whose threads would stand still for good.
        let can_stop = platform::STOPS_THREADS_FROM_WITHIN && is_own_process();
        let others = if can_stop { Ok(()) } else { Err("no process could be made that would read them") };
        (reporter().write)(platform::stderr().unwrap_or(-1), true, others);
    });
}
