//! A copy of the process that may take its time: made by the bare clone(2), with nothing shared but what is mapped so.
//!
//! Three processes take part. The crashed thread only waits, for a bounded time, so that it can die of its signal whenever it has to. A
//! helper, which shares its memory as a vforked child does, runs what may block on the way: the first lines of the report,
//! and clone(2), which waits for whoever watches the memory with userfaultfd(2). The copy, which is the crashed process's own child,
//! not the helper's, writes the report. Nobody is waited for without WNOHANG: a process in a file system that does not answer can't
//! even be killed.

use super::filter::DUPLICATION;
use super::freestanding::own_call;
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{c_int, c_long, pid_t};

use super::missing::{keep_own_data, restore_thread};
use super::process::lower_core_limit;
use super::{forget_time_limit, nanoseconds, pid, set_original, sleep};
use crate::platform::{CopyEnd, CopyWork};

/// The work, where helper and copy find it. Not on the crashed thread's stack: the copy may not have that.
struct Shared(UnsafeCell<Option<CopyWork>>);

// SAFETY: only the thread that holds the claim writes it, before it makes the helper, which reads it before it publishes MADE; a second
// attempt writes it only after that, after the helper's end, or long after it has killed the helper. The copy reads its own copy.
unsafe impl Sync for Shared {}

static WORK: Shared = Shared(UnsafeCell::new(None));
/// In the copy, its pid; 0 everywhere else. The kernel writes it into the copy's memory alone.
static COPY: AtomicI32 = AtomicI32::new(0);
/// The helper's pid, once there is one.
static HELPER: AtomicI32 = AtomicI32::new(0);
/// The copy's pid as the helper tells it; 0 before, and where it could not make one.
static MADE: AtomicU32 = AtomicU32::new(0);
/// The copy's pid. When the copy is done, it still holds the process's other threads.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// What [`CopyWork::done`] becomes when the copy, which is done, may end.
const DISMISSED: u32 = 2;
/// A copy or helper of an earlier report that was killed, and had not ended when that report did.
static LEFT: AtomicI32 = AtomicI32::new(0);
/// Whether PR_SET_DUMPABLE was set for the time of the report.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// Whether we write a report for that process, as its copy or its helper: a crash here is not to be reported. False for children that
/// other threads of the process make meanwhile.
pub fn is_copy_of(process: pid_t) -> bool {
    let own = pid();
    own != process && (own == COPY.load(Relaxed) || own == HELPER.load(Relaxed))
}

/// Has a copy of the process do the work.
///
/// # Safety
/// `work.top` is the upper end of private memory, aligned to 16, that is used for nothing else and suffices for the work: the
/// stack that we are on may be the program's, in memory that it shares, where the copy and we would both write. Null for
/// that stack nevertheless.
pub unsafe fn in_a_copy(work: CopyWork) -> CopyEnd {
    wait_for_earlier(work.deadline);
    // SAFETY: we hold the claim, and no helper reads it (`unsafe impl Sync`).
    unsafe { *WORK.0.get() = Some(work) };
    MADE.store(0, Relaxed);
    CHILD.store(0, Relaxed);
    keep_own_data();
    open_to_copy();
    // SAFETY: the caller promises a stack that is used for nothing else; where there is none, there is no helper.
    let helper = if work.top.is_null() { -1 } else { unsafe { clone(HELPER_FLAGS, work.top, &HELPER, &COPY, help) } };
    if helper > 0 {
        while MADE.load(Acquire) == 0 {
            wait_for_change(&MADE, 0, 20_000_000);
            if nanoseconds() > work.deadline {
                kill(helper);
                return CopyEnd::TookTooLong;
            }
            if has_ended(helper).is_some() {
                HELPER.store(0, Relaxed);
                break;
            }
        }
    } else if let Some(first) = work.first {
        HELPER.store(0, Relaxed);
        first();
    }
    let child = match MADE.load(Acquire) {
        // There was no helper, or it could not make a copy: RLIMIT_NPROC may allow one more process, but not two.
        // SAFETY: the caller promises a stack that is used for nothing else, or none; the helper has ended.
        0 => unsafe { clone(COPY_FLAGS, work.top, &HELPER, &COPY, become_copy) },
        child => child.cast_signed(),
    };
    if child < 0 {
        return CopyEnd::NoCopy;
    }
    CHILD.store(child, Relaxed);
    allow_tracing_by(child);
    loop {
        // When the copy is done it does not end, since the threads that it has stopped would run on.
        match work.done {
            Some(done) => {
                wait_for_change(done, 0, 20_000_000);
                if done.load(Acquire) != 0 {
                    return CopyEnd::Done;
                }
            }
            None => sleep(2_000_000),
        }
        if let Some(status) = has_ended(child) {
            CHILD.store(0, Relaxed);
            return if status == 0 { CopyEnd::Done } else { CopyEnd::Crashed };
        }
        if nanoseconds() > work.deadline {
            kill(child);
            return CopyEnd::TookTooLong;
        }
    }
}

/// Whether nobody in this memory is on the stack of [`in_a_copy`] any more. Its helper ends when it has told of the copy, but on a busy
/// machine perhaps not at once.
pub fn is_stack_free() -> bool {
    let helper = HELPER.load(Relaxed);
    let is_free = helper <= 0 || has_ended(helper).is_some();
    if is_free {
        HELPER.store(0, Relaxed);
    }
    is_free
}

/// Resumes the other threads, which a copy has stopped: by its end.
pub fn resume_threads() {
    end_copy();
}

/// Ends helper and copy, and takes back what [`in_a_copy`] has changed. Takes a bounded time: a process that can't be killed is left
/// behind.
pub fn end_copy() {
    /// How long processes that are killed may take to end, in nanoseconds.
    const END_TIMEOUT: u64 = 250_000_000;
    forget_time_limit();
    let deadline = nanoseconds() + END_TIMEOUT;
    for slot in [&HELPER, &CHILD] {
        let child = slot.swap(0, Relaxed);
        if child <= 0 || has_ended(child).is_some() {
            continue;
        }
        kill(child);
        if ptr::eq(slot, &raw const CHILD) {
            dismiss();
        }
        let mut is_left = true;
        while is_left && nanoseconds() < deadline {
            is_left = has_ended(child).is_none();
            if is_left {
                sleep(20_000);
            }
        }
        if is_left {
            LEFT.store(child, Relaxed);
        }
    }
    close_to_copy();
}

/// Has a copy that is done end by itself: a sandbox may forbid to kill it, and the copy to see that the process has ended. It would
/// keep what it has of the process, such as standard error, until the deadline.
fn dismiss() {
    // SAFETY: there is a copy, for which the thread with the claim, which we are, has written it.
    if let Some(done) = unsafe { *WORK.0.get() }.and_then(|work| work.done) {
        done.store(DISMISSED, Release);
        wake(done);
    }
}

/// Waits for children of earlier attempts. Where the process has gone on after a report, and the copy took longer to end on a busy
/// machine, that one still holds the other threads, which nobody else can look at before. Where a first copy has crashed, its helper may
/// still be ending, on the stack that the next one gets.
fn wait_for_earlier(deadline: u64) {
    // A tenth of the time for the report at most.
    let now = nanoseconds();
    let until = now + deadline.saturating_sub(now) / 10;
    for slot in [&LEFT, &HELPER] {
        let child = slot.swap(0, Relaxed);
        while child > 0 && has_ended(child).is_none() && nanoseconds() < until {
            sleep(1_000_000);
        }
    }
}

/// The same for a child that runs in its parent's memory: notes nothing there. `work` has the copy's stack, and lies where the copy
/// finds it; there is no helper, so the time has to be limited by [`set_timers`](super::set_timers).
///
/// # Safety
/// That of [`in_a_copy`].
pub unsafe fn in_a_copy_of_vm_child(work: &CopyWork) -> CopyEnd {
    if super::is_forbidden(libc::SYS_clone) || super::is_forbidden(libc::SYS_wait4) {
        return CopyEnd::NoCopy;
    }
    keep_own_data();
    let shared = work.top.wrapping_sub(size_of::<CopyWork>().next_multiple_of(64));
    // SAFETY: the caller promises private memory below `work.top`. The kernel writes the pid into the copy's memory alone.
    let child = unsafe {
        shared.cast::<CopyWork>().write(*work);
        crate::arch::clone_and_run(
            c_long::from(COPY_FLAGS),
            shared,
            ptr::null_mut(),
            COPY.as_ptr(),
            become_copy_of_vm_child,
        )
    };
    if child < 0 {
        return CopyEnd::NoCopy;
    }
    allow_tracing_by(child);
    let end = loop {
        if let Some(status) = has_ended(child) {
            break if status == 0 { CopyEnd::Done } else { CopyEnd::Crashed };
        }
        if nanoseconds() > work.deadline {
            kill(child);
            break CopyEnd::TookTooLong;
        }
        sleep(1_000_000);
    };
    allow_tracing_by(0);
    end
}

/// The copy's first function. `work` is at the upper end of its stack.
unsafe extern "C" fn become_copy_of_vm_child(work: *const u8) -> ! {
    // SAFETY: in_a_copy_of_vm_child has written it there before it made this copy.
    run_in_copy(unsafe { &*work.cast::<CopyWork>() });
    super::exit_now(0);
}

/// Whether a copy of a process can be made.
pub const MAKES_COPIES: bool = true;

/// The helper's first function. It runs in the crashed process's memory.
unsafe extern "C" fn help(_: *const u8) -> ! {
    die_with_parent();
    // SAFETY: in_a_copy has written it before it made this helper, and does not write it until MADE is set.
    if let Some(work) = unsafe { *WORK.0.get() } {
        if let Some(first) = work.first {
            first();
        }
        // SAFETY: in_a_copy's caller promises the memory below `work.top`, of which we use the upper end. The copy has a copy of it, and we never return to what we have there.
        let child = unsafe { clone(COPY_FLAGS | libc::CLONE_PARENT, work.top, &HELPER, &COPY, become_copy) };
        // Without a copy the crashed thread writes the report, on the stack that we are on: only our end tells that.
        if child > 0 {
            MADE.store(child.cast_unsigned(), Release);
            wake(&MADE);
        }
    }
    super::exit_now(0);
}

/// The copy's first function.
unsafe extern "C" fn become_copy(_: *const u8) -> ! {
    // SAFETY: in_a_copy has written it before this copy was made, which has one thread.
    if let Some(work) = unsafe { *WORK.0.get() } {
        run_in_copy(&work);
    }
    super::exit_now(0);
}

fn run_in_copy(work: &CopyWork) {
    restore_thread(work.tid);
    set_original(work.tid);
    (work.begin)(work.argument);
    die_with_parent();
    if is_orphan(work) {
        return;
    }
    lower_core_limit();
    lower_priority();
    let stderr = move_stderr();
    close_others(stderr);
    (work.write)(stderr);
    if let Some(done) = work.done {
        done.fetch_max(1, Release);
        wake(done);
        // If the copy ended, the other threads would run on, and one of them might call exit(3) before the crashed one has died.
        while done.load(Acquire) != DISMISSED && nanoseconds() < work.deadline && !is_orphan(work) {
            wait_for_change(done, 1, 100_000_000);
        }
    }
}

/// Gives the copy the usual scheduling, whatever priority the process has, and makes it the first to be killed if memory runs out.
fn lower_priority() {
    let no_priority: c_int = 0;
    // SAFETY: sched_param is one int, and the path is a string.
    unsafe {
        own_call(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &raw const no_priority);
        let fd = super::freestanding::open(c"/proc/self/oom_score_adj", libc::O_WRONLY | libc::O_CLOEXEC);
        if fd >= 0 {
            own_call(libc::SYS_write, fd, c"1000".as_ptr(), 4);
            libc::close(fd);
        }
    }
}

/// Whether the crashed process has ended.
fn is_orphan(work: &CopyWork) -> bool {
    // A sandbox may forbid the question.
    let parent = parent();
    parent > 0 && parent != work.pid
}

/// Flags of clone(2) for the helper: it shares our memory and runs while we wait. A tracer does not trace it, too.
const HELPER_FLAGS: c_int = libc::CLONE_VM | libc::CLONE_PARENT_SETTID | libc::CLONE_UNTRACED;
/// Flags of clone(2) for the copy: it has memory of its own, in which the kernel writes its pid.
const COPY_FLAGS: c_int = libc::CLONE_CHILD_SETTID | libc::CLONE_UNTRACED;

/// Makes a process that runs a function, which is given the stack's upper end. Its pid; negative when there is none. Without atfork
/// handlers and locks. Its end sends no signal, and only a wait(2) that asks for all kinds of children (__WALL) sees it.
///
/// # Safety
/// `top` is the upper end of private memory that is used for nothing else and suffices for the function: the stack that
/// we are on may be the program's, in memory that it shares, where the new process and we would both write. Null for that
/// stack nevertheless, if the flags do not share it.
unsafe fn clone(
    flags: c_int,
    top: *mut u8,
    parents: &AtomicI32,
    childs: &AtomicI32,
    function: unsafe extern "C" fn(*const u8) -> !,
) -> pid_t {
    if super::is_forbidden(libc::SYS_clone) {
        return -1;
    }
    // SAFETY: the caller promises a stack; the kernel writes pids where the flags say so, into atomics of ours.
    unsafe { crate::arch::clone_and_run(c_long::from(flags), top, parents.as_ptr(), childs.as_ptr(), function) }
}

/// Lets that child read our registers and memory where Yama restricts who may (prctl(2), PR_SET_PTRACER).
fn allow_tracing_by(child: pid_t) {
    // SAFETY: no memory is involved.
    unsafe { own_call(libc::SYS_prctl, libc::PR_SET_PTRACER, c_long::from(child), 0, 0, 0) };
}

/// Sets PR_SET_DUMPABLE (prctl(2)) for the time of the report where a change of user or group has cleared it: without it, the copy may
/// not read the process. Where the program itself has cleared it, it stays as it is.
fn open_to_copy() {
    // SAFETY: no memory is involved; getauxval reads the auxiliary vector.
    unsafe {
        let has_changed_user = own_call(libc::SYS_geteuid) as u64 != libc::getauxval(libc::AT_EUID)
            || own_call(libc::SYS_getegid) as u64 != libc::getauxval(libc::AT_EGID);
        // 2, which fs.suid_dumpable may ask for, is a value that only the kernel can set again.
        if has_changed_user
            && own_call(libc::SYS_prctl, libc::PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
            && own_call(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 1, 0, 0, 0) == 0
        {
            IS_OPEN.store(true, Relaxed);
        }
    }
}

/// Takes back who may trace the process, and what [`open_to_copy`] has set.
fn close_to_copy() {
    allow_tracing_by(0);
    if IS_OPEN.swap(false, Relaxed) {
        // SAFETY: no memory is involved.
        unsafe { own_call(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    }
}

/// The parent process; after that one's end the process that the kernel has put in its place (init or a subreaper).
fn parent() -> pid_t {
    // SAFETY: no preconditions.
    unsafe { own_call(libc::SYS_getppid) as pid_t }
}

/// In the copy: die when the thread that made it dies.
fn die_with_parent() {
    // SAFETY: no memory is involved.
    unsafe { own_call(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Whether that child has ended, and if so its wait status.
fn has_ended(child: pid_t) -> Option<c_int> {
    let mut status = 0;
    // SAFETY: `status` is ours.
    let found = unsafe { own_call(libc::SYS_wait4, child, &raw mut status, libc::WNOHANG | libc::__WALL, 0) };
    // An error means that somebody else has waited for it, or that it is no child of ours.
    (found != 0).then_some(if found > 0 { status } else { libc::SIGKILL })
}

/// Kills a child of ours that nobody has waited for yet.
fn kill(child: pid_t) {
    // SAFETY: no memory is involved.
    unsafe { own_call(libc::SYS_kill, child, libc::SIGKILL) };
}

/// Sleeps until a number is not `from` any more, or for this long (futex(2)).
pub(super) fn wait_for_change(futex: &AtomicU32, from: u32, nanoseconds: u64) {
    if futex.load(Acquire) != from {
        return;
    }
    let time = libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000).cast_signed(),
        tv_nsec: (nanoseconds % 1_000_000_000).cast_signed(),
    };
    // Not FUTEX_PRIVATE: the other side is another process.
    // SAFETY: the futex lives as long as the borrow.
    unsafe { own_call(libc::SYS_futex, futex.as_ptr(), libc::FUTEX_WAIT, from, &raw const time, 0, 0) };
}

/// Wakes all that wait for a change of a number.
fn wake(futex: &AtomicU32) {
    // SAFETY: the futex lives as long as the borrow.
    unsafe { own_call(libc::SYS_futex, futex.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
}

/// In the copy, which has its own table of descriptors: closes all but the first three, `kept`, and the directory for reports.
fn close_others(kept: c_int) {
    let directory = super::directory_descriptor();
    let (low, high) = (kept.min(directory), kept.max(directory));
    let mut from = 3;
    for end in [low, high, c_int::MAX] {
        if end < from {
            continue;
        }
        // SAFETY: the copy uses none of them.
        unsafe {
            if own_call(libc::SYS_close_range, from, c_long::from(end) - 1, 0) != 0 {
                // The kernel is older than 5.9. Descriptors above these stay open until the copy ends.
                for fd in from..end.min(1024) {
                    libc::close(fd);
                }
            }
        }
        from = end.saturating_add(1);
    }
}

/// Gives standard error another descriptor number, so that nothing else in the copy writes to it, and returns that; -1 when there is none.
fn move_stderr() -> c_int {
    // SAFETY: only descriptors change.
    unsafe {
        let Some(stderr) = super::stderr() else {
            libc::close(libc::STDERR_FILENO);
            return -1;
        };
        if super::is_forbidden(DUPLICATION) {
            return stderr;
        }
        let moved = libc::fcntl(stderr, libc::F_DUPFD_CLOEXEC, 3);
        if moved < 0 {
            // There is no other number left (RLIMIT_NOFILE).
            return stderr;
        }
        libc::close(stderr);
        moved
    }
}
