//! The crash of a child that runs in its parent's memory (vfork, clone with CLONE_VM): nothing is written there, since the parent
//! goes on, and may be reporting a crash of its own at this very moment.
//!
//! So the child first of all has a copy of itself made, which has memory of its own. All state of a report, from the claim on, is
//! kept in the copy. The child only waits, for a time that the kernel limits.

use core::ptr;

use libc::{c_int, c_void};

use super::incident::{self, Incident};
use super::reporter::Progress;
use super::settings::options;
use super::{copy, header, raw};
use crate::platform::{self, CopyEnd, CopyWork};

/// What a copy is to do. It lies above the copy's stack, in memory that was mapped for both.
struct Task {
    incident: Incident,
    effort: Effort,
    progress: *mut Progress,
}

/// How much a copy tries to report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effort {
    Full,
    Careful,
    /// Addresses only.
    Least,
}

/// Has the crash reported.
#[inline(never)]
pub fn report(incident: Incident) {
    let handlers = platform::block(!(1 << (libc::SIGSYS - 1)));
    let timers = platform::set_timers(incident.tid, incident.raised.signal, incident.deadline + incident::GRACE);
    if (header::has_reader() || options().report.is_some()) && !by_copies(&incident) {
        header::write_least(&incident);
    }
    platform::delete_timers(timers);
    platform::block(handlers);
}

/// Whether a copy could be made.
#[inline(never)]
fn by_copies(incident: &Incident) -> bool {
    // Valgrind ends a process that calls clone(2) for anything but a thread or a fork.
    if platform::is_on_valgrind() {
        return false;
    }
    let Some((stack, size)) = copy::new_stack() else { return false };
    let page = platform::map(platform::PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    let top = stack.wrapping_add(size - size_of::<Task>().next_multiple_of(64));
    let task = top.cast::<Task>();
    let mut is_made = true;
    for effort in [Effort::Full, Effort::Careful, Effort::Least] {
        let work = CopyWork {
            pid: incident.pid,
            tid: incident.tid,
            top,
            first: None,
            begin,
            write,
            argument: task.cast_const().cast(),
            done: None,
            deadline: incident.deadline,
        };
        // SAFETY: fresh memory, aligned to 64, which nobody else knows; the stack below it is for the copy.
        let end = unsafe {
            task.write(Task { incident: *incident, effort, progress: page.cast() });
            platform::in_a_copy_of_vm_child(&work)
        };
        match end {
            CopyEnd::Crashed => continue,
            CopyEnd::NoCopy => is_made = false,
            CopyEnd::Done | CopyEnd::TookTooLong => {}
        }
        break;
    }
    // SAFETY: null, or a page of zeros, which are valid atomics. A copy that was killed may write to it for a moment still.
    if let Some(progress) = unsafe { page.cast::<Progress>().as_ref() } {
        copy::keep_draft(progress, false);
    }
    // SAFETY: no reference to them is left here. The copies have their own: of the stack as of all memory, of the page by its mapping.
    unsafe {
        platform::unmap(stack, size);
        if !page.is_null() {
            platform::unmap(page, platform::PAGE);
        }
    }
    is_made
}

fn begin(task: *const c_void) {
    // SAFETY: `by_copies` has written it before this copy was made, whose memory has it, too.
    let task = unsafe { &*task.cast::<Task>() };
    copy::begin(ptr::null());
    copy::take_over(task.progress, task.effort != Effort::Full);
    incident::take_over(task.incident);
    match task.effort {
        Effort::Full => header::write(),
        Effort::Careful => {}
        Effort::Least => {
            raw::write();
            platform::exit_now(0);
        }
    }
}

fn write(stderr: c_int) {
    copy::in_copy(stderr);
}
