//! Where the report is written: in a copy of the process.
//!
//! The copy shares nothing with the process but one page, in which it says how far it is. It may take its time, allocate
//! and crash: its parent waits, bounded, and writes what it can itself if this fails. Where no copy can be made, the same
//! runs in the crashed thread on a stack of its own.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use libc::{c_int, c_void};

use super::incident::incident;
use super::reporter::{DRAFT, NAME_MAX, Progress, progress, reporter, set_progress, take_progress};
use super::settings::{CRASH_SIGNALS, options, report_directory};
use super::{header, ownership};
use crate::platform::is_own_process;
use crate::platform::{self, CopyEnd, CopyWork};
use wording::line::Line;

/// How much the next copy tries to report: [`FULL`] or [`CAREFUL`].
static LEVEL: AtomicU32 = AtomicU32::new(FULL);
/// Address and size of the memory that was mapped for this report in the crashed process itself: [`own_mappings`].
static OWN: [[AtomicU64; 2]; 2] = [const { [const { AtomicU64::new(0) }; 2] }; 2];

/// Start and end of what was mapped for the report after the crash, where nothing was then. Both are 0 where there is none.
#[must_use]
pub fn own_mappings() -> [(u64, u64); 2] {
    OWN.each_ref().map(|[start, size]| (start.load(Relaxed), start.load(Relaxed) + size.load(Relaxed)))
}

/// With everything that was asked for.
const FULL: u32 = 0;
/// Without debug information and without the other threads: a copy that tried all has crashed.
const CAREFUL: u32 = 1;

/// Has the report written; whether it was.
#[inline(never)]
pub fn write() -> bool {
    header::start();
    if platform::is_on_valgrind() {
        // Valgrind ends a process that calls clone(2) for anything but a thread or a fork, and shows the crash's stack itself.
        header::write();
        header::say(b"nosigpipe: Valgrind's own report has the stack\n");
        return true;
    }
    // There is no standard error, no directory for reports and no log: nobody would read the report.
    if !header::has_reader() && !has_other_reader() {
        return true;
    }
    let page = platform::map(platform::PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    const { assert!(size_of::<Progress>() <= platform::PAGE) }; // signal-safe: at compile time
    set_progress(page.cast());
    let stack = new_stack();
    let top = stack.map_or(ptr::null_mut(), |(stack, size)| stack.wrapping_add(size));
    let page_size = if page.is_null() { 0 } else { platform::PAGE };
    for ([to, size], from) in OWN.iter().zip([(page, page_size), stack.unwrap_or((ptr::null_mut(), 0))]) {
        to.store(from.0.addr() as u64, Relaxed);
        size.store(from.1 as u64, Relaxed);
    }
    let mut is_written = false;
    for level in [FULL, CAREFUL] {
        LEVEL.store(level, Relaxed);
        let incident = incident();
        let done = progress().map(|progress| &progress.done);
        let first = (level == FULL).then_some(header::write as fn());
        let (pid, tid, deadline) = (incident.pid, incident.tid, incident.deadline);
        let work = CopyWork { pid, tid, top, first, begin, write: in_copy, argument: ptr::null(), done, deadline };
        // SAFETY: `top` is the upper end of fresh memory, aligned to pages, that nothing else uses; or null.
        match unsafe { platform::in_a_copy(work) } {
            CopyEnd::Done => is_written = true,
            CopyEnd::Crashed if level == FULL => continue,
            CopyEnd::Crashed | CopyEnd::TookTooLong => {}
            CopyEnd::NoCopy => {
                // SAFETY: fresh memory for nothing else, aligned to pages; the copy that was attempted on it has ended, or there was none.
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
    if !is_written && let Some(progress) = progress() {
        keep_draft(progress, true);
    }
    // Where the helper has not left it yet, it stays.
    if let Some((stack, size)) = stack
        && platform::is_stack_free()
    {
        // SAFETY: the copy has its own, what we called there has returned, and the helper has ended.
        unsafe { platform::unmap(stack, size) };
    }
    is_written
}

/// Whether somebody may read a report that is not on standard error.
fn has_other_reader() -> bool {
    let options = options();
    let is_for_others = !options.is_default() || options.termination_log.is_some() || platform::has_log();
    options.report.is_some() || is_for_others && !platform::is_confidential()
}

/// Makes the draft of a report that will not be finished the report. `is_said` says whether to tell so on standard error: not in a
/// child that shares its parent's memory, where what writing needs is the parent's.
pub fn keep_draft(progress: &Progress, is_said: bool) {
    let mut name = [0; NAME_MAX];
    let length = progress.take_draft(&mut name);
    if let Some(name) = name.get(..length).filter(|name| !name.is_empty()) {
        keep_draft_as(name, is_said);
    }
}

#[inline(never)]
fn keep_draft_as(name: &[u8], is_said: bool) {
    let Some(directory) = report_directory() else { return };
    let is_kept = with_name([DRAFT.0.as_bytes(), name, DRAFT.1.as_bytes()], |draft| {
        with_name([b"", name, b""], |whole| platform::rename_report(directory, draft, whole))
    });
    // Files that the copy was writing when it was ended.
    for (before, behind) in [(".", ".tmp"), ("..", ".part.tmp")] {
        with_name([before.as_bytes(), name, behind.as_bytes()], |unfinished| {
            platform::remove_unfinished(directory, unfinished);
        });
    }
    if is_kept && is_said {
        let mut line = Line::<512>::empty();
        line.push(b"nosigpipe: what there is of the report is in ");
        line.push_foreign(directory.to_bytes(), 256);
        line.push(b"/");
        line.push_foreign(name, 200);
        header::say(line.finish());
    }
}

/// Calls with the parts of a name put together, and a zero byte at its end.
#[inline(never)]
fn with_name<T: Default>(parts: [&[u8]; 3], action: impl FnOnce(&CStr) -> T) -> T {
    let mut name = Line::<{ NAME_MAX + 2 }>::empty();
    for part in parts {
        name.push(part);
    }
    name.push(b"\0");
    CStr::from_bytes_until_nul(name.bytes()).map_or_else(|_| T::default(), action)
}

/// Resumes the other threads, which the report has stopped.
pub fn resume_threads() {
    (reporter().resume_threads)();
    let page = take_progress();
    if !page.is_null() {
        // SAFETY: `write` has mapped it and `take_progress` taken it out, so that nobody gets a reference to it any more; those that
        // were given ended with the report. The copy has ended.
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

/// The first thing in a copy: no signal is a crash to be reported any more.
pub fn begin(_: *const c_void) {
    ownership::default_everywhere();
    platform::block(!CRASH_SIGNALS);
}

/// In a copy of a child that shares its parent's memory, where the state of a report is the parent's: starts this copy's own.
pub fn take_over(progress: *mut Progress, is_careful: bool) {
    set_progress(progress);
    LEVEL.store(if is_careful { CAREFUL } else { FULL }, Relaxed);
    header::start();
    (reporter().start_anew)();
}

/// Writes the report, in a copy.
pub fn in_copy(stderr: c_int) {
    let full = LEVEL.load(Relaxed) == FULL;
    let others = if full {
        Ok(())
    } else {
        Err("a first attempt at this report has failed, and reading them might have been why")
    };
    (reporter().write)(stderr, full, others);
}

/// Writes the report in the crashed thread.
unsafe extern "C" fn without_copy(_: *mut c_void) {
    (reporter().start_anew)();
    // The handler's frame is on the alternate stack, which to the kernel is unused now that we are on another stack: the next
    // signal, of a system call that is trapped, would overwrite that frame.
    platform::without_alternate_stack(|| {
        // To Mach a vforked child was the same task as its parent, whose threads would be suspended for ever.
        let can_stop = platform::STOPS_THREADS_FROM_WITHIN && is_own_process();
        let others = if can_stop { Ok(()) } else { Err("no process could be made that would read them") };
        (reporter().write)(platform::stderr().unwrap_or(-1), true, others);
        // The process may live on.
        (reporter().start_anew)();
    });
}
