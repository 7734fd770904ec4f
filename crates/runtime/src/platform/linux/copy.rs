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

// SAFETY: written by the thread that reports a crash while there is neither helper nor copy.
unsafe impl Sync for Shared {}

static WORK: Shared = Shared(UnsafeCell::new(None));
/// In the copy, its pid; 0 everywhere else. The kernel writes it into the copy's memory alone.
static COPY: AtomicI32 = AtomicI32::new(0);
/// The helper's pid, once there is one.
static HELPER: AtomicI32 = AtomicI32::new(0);
/// The copy's pid as the helper tells it, or [`REFUSED`]; 0 before.
static MADE: AtomicU32 = AtomicU32::new(0);
/// No pid: no copy could be made.
const REFUSED: u32 = u32::MAX;
/// The copy, which keeps the process's other threads standing when it is done.
static CHILD: AtomicI32 = AtomicI32::new(0);
/// Whether others were let in for the time of the report.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// Of clone(2), besides what the libc crate has.
const CLONE_UNTRACED: c_int = libc::CLONE_UNTRACED;

/// Whether we write a report for that process, as its copy or its helper: what goes wrong here is no crash to be reported.
/// Children that other threads of the process make meanwhile are not concerned.
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
    // SAFETY: nobody else reads it now.
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
        // Without a helper, or where two more processes were one too many.
        // SAFETY: the caller promises a stack that is used for nothing else, or none; the helper has ended or does not use it any more.
        0 | REFUSED => unsafe { clone(COPY_FLAGS, work.top, &HELPER, &COPY, become_copy) },
        child => child.cast_signed(),
    };
    if child < 0 {
        return CopyEnd::NoCopy;
    }
    CHILD.store(child, Relaxed);
    allow_tracing_by(child);
    loop {
        // The copy stays after it is done, since the threads that it has stopped would go on.
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

/// Lets the other threads go on, which a copy has stopped.
pub fn resume_threads() {
    end_copy();
}

/// Ends what [`in_a_copy`] has left, and takes back what it has changed. Takes a bounded time: what can't be killed is left
/// behind.
pub fn end_copy() {
    /// How long a process that is killed may take to be gone.
    const PATIENCE: u64 = 250_000_000;
    forget_time_limit();
    let deadline = nanoseconds() + PATIENCE;
    for slot in [&HELPER, &CHILD] {
        let child = slot.swap(0, Relaxed);
        if child <= 0 || has_ended(child).is_some() {
            continue;
        }
        kill(child);
        while has_ended(child).is_none() && nanoseconds() < deadline {
            sleep(20_000);
        }
    }
    close_to_copy();
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
            core::ptr::null_mut(),
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

/// `work` is above the stack that we are on.
unsafe extern "C" fn become_copy_of_vm_child(work: *const u8) -> ! {
    // SAFETY: in_a_copy_of_vm_child has written it into the memory that ours is a copy of.
    run_in_copy(unsafe { &*work.cast::<CopyWork>() });
    super::exit_now(0);
}

/// Whether a copy of a process can be made.
pub const MAKES_COPIES: bool = true;

/// What the helper does, in the crashed process's memory.
unsafe extern "C" fn help(_: *const u8) -> ! {
    die_with_parent();
    // SAFETY: in_a_copy has written it, and waits.
    if let Some(work) = unsafe { *WORK.0.get() } {
        if let Some(first) = work.first {
            first();
        }
        // SAFETY: in_a_copy's caller promises the memory below `work.top`, of which we use the upper end. The copy has a copy of it, and we never return to what we have there.
        let child = unsafe { clone(COPY_FLAGS | libc::CLONE_PARENT, work.top, &HELPER, &COPY, become_copy) };
        MADE.store(if child > 0 { child.cast_unsigned() } else { REFUSED }, Release);
        wake(&MADE);
    }
    super::exit_now(0);
}

unsafe extern "C" fn become_copy(_: *const u8) -> ! {
    // SAFETY: in_a_copy has written it into the memory that ours is a copy of.
    if let Some(work) = unsafe { *WORK.0.get() } {
        run_in_copy(&work);
    }
    super::exit_now(0);
}

fn run_in_copy(work: &CopyWork) {
    restore_thread(work.pid);
    set_original(work.pid);
    (work.begin)(work.argument);
    die_with_parent();
    if is_orphan(work) {
        return;
    }
    lower_core_limit();
    stand_back();
    let stderr = move_stderr();
    close_others(stderr);
    (work.write)(stderr);
    if let Some(done) = work.done {
        done.store(1, Release);
        wake(done);
        // Our end would let the other threads go on, and one of them might call exit before the crashed one has died.
        while nanoseconds() < work.deadline && !is_orphan(work) {
            sleep(100_000_000);
        }
    }
}

/// The copy's work is not urgent, whatever the process's is; and should memory run out, it is the first that can be spared.
fn stand_back() {
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

/// Whether the process has gone before us.
fn is_orphan(work: &CopyWork) -> bool {
    // A sandbox may forbid the question.
    let parent = parent();
    parent > 0 && parent != work.pid
}

/// Shares the memory and runs on while we wait. Neither a debugger nor a tracer takes it for a child of the program's.
const HELPER_FLAGS: c_int = libc::CLONE_VM | libc::CLONE_PARENT_SETTID | CLONE_UNTRACED;
/// A process of its own that knows its pid.
const COPY_FLAGS: c_int = libc::CLONE_CHILD_SETTID | CLONE_UNTRACED;

/// Makes a process that runs a function, which is given the stack's upper end; its pid, negative when there is none. No atfork handler runs and nobody's lock is
/// asked for. Its end sends no signal, and no wait(2) of the program sees it that does not ask for all kinds of children (__WALL).
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

/// A process that has changed its user may not be looked into by its own kind: set*id clears the flag of prctl(2),
/// PR_SET_DUMPABLE. For the time of the report it is set. Where the program has cleared it without changing its user, it has
/// its reasons.
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

/// Everything is as before the report, as far as it can be.
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

/// Sleeps until the word has changed, or for this long.
pub(super) fn wait_for_change(word: &AtomicU32, from: u32, nanoseconds: u64) {
    if word.load(Acquire) != from {
        return;
    }
    let time = libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000).cast_signed(),
        tv_nsec: (nanoseconds % 1_000_000_000).cast_signed(),
    };
    // SAFETY: the word lives as long as the borrow. Not FUTEX_PRIVATE: the other side is another process.
    unsafe { own_call(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, from, &raw const time, 0, 0) };
}

/// Wakes whoever waits for a change of the word.
fn wake(word: &AtomicU32) {
    // SAFETY: the futex lives as long as the borrow.
    unsafe { own_call(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
}

/// Closes every descriptor but the first three, one more, and what the platform keeps for reports; the process has its own
/// table of them.
fn close_others(kept: c_int) {
    let directory = super::directory_descriptor();
    let (low, high) = (kept.min(directory), kept.max(directory));
    let mut from = 3;
    for end in [low, high, c_int::MAX] {
        if end < from {
            continue;
        }
        // SAFETY: nothing here uses any of them.
        unsafe {
            if own_call(libc::SYS_close_range, from, c_long::from(end) - 1, 0) != 0 {
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
