//! The crash under report, and the claim: the right of one thread to report its crash, while others wait.
//!
//! Only who holds the claim, or runs in a copy of the process, writes the incident; everybody else in `crash` reads it.

use core::cell::UnsafeCell;
use core::sync::atomic::{
    AtomicI32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use libc::{pid_t, siginfo_t};

use super::settings::{CRASH_SIGNALS, options, started};
use crate::platform::{self, Cause, Fault};

/// A crash, as the copy of the process finds it in its memory.
#[derive(Clone, Copy)]
pub struct Incident {
    /// What the report is about.
    pub fault: Fault,
    /// The signal that came: the same, unless a handler of the program has raised it for the fault.
    pub raised: Fault,
    /// Whether a handler of the program has raised `raised` for `fault`.
    pub is_raised_again: bool,
    /// Why the processor refused the instruction.
    pub cause: Cause,
    /// The whole siginfo.
    pub info: [u64; 16],
    /// The process that crashed.
    pub pid: pid_t,
    /// The thread that crashed.
    pub tid: pid_t,
    /// The crashed thread's name, zero-padded.
    pub thread: [u8; 16],
    /// When it crashed: seconds and nanoseconds since 1970.
    pub time: (i64, u32),
    /// Nanoseconds since the process began.
    pub uptime: u64,
    /// When the report must be done, on the clock of [`platform::nanoseconds`].
    pub deadline: u64,
}

/// The thread that reports: its pid in the upper 32 bits, its tid in the lower; 0 for none.
static CLAIM: AtomicU64 = AtomicU64::new(0);

struct Reported(UnsafeCell<Incident>);

// SAFETY: only the thread that holds the claim reads and writes it. The claim is taken by an exchange that acquires what the thread
// before has released, or left when it died. A copy of the process has one thread, and a copy of this.
unsafe impl Sync for Reported {}

static INCIDENT: Reported = Reported(UnsafeCell::new(NO_INCIDENT));

/// Pid of the process whose crash is, or was last, under report; 0 for none. Every thread that crashes reads it, with or without
/// the claim.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Before anything has happened.
pub const NO_INCIDENT: Incident = Incident {
    fault: Fault::NONE,
    raised: Fault::NONE,
    is_raised_again: false,
    cause: Cause::Unknown,
    info: [0; 16],
    pid: 0,
    tid: 0,
    thread: [0; 16],
    time: (0, 0),
    uptime: 0,
    deadline: 0,
};

/// Nanoseconds from a report's deadline to the end of the process, whatever the process waits for then. In between it can write what
/// takes no waiting.
pub const GRACE: u64 = 300_000_000;

/// The crash under report. Only for the thread that holds the claim, and for a copy of the process; nobody keeps it over a call
/// of [`correct_incident`].
pub fn incident() -> &'static Incident {
    // SAFETY: only the thread that holds the claim calls this, or the one thread of a copy. `note` writes field by field through a
    // pointer, with no reference alive, so that a handler which interrupts it by a crash may read.
    unsafe { &*INCIDENT.0.get() }
}

/// Pid of the process whose crash is, or was last, under report; 0 for none.
pub fn reported_process() -> pid_t {
    PROCESS.load(Relaxed)
}

/// Notes the crash of the thread that holds the claim, for [`incident()`].
///
/// # Safety
/// `info` is what the kernel gave to the running handler, and the caller holds the claim.
pub unsafe fn note_claimed(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t) {
    // SAFETY: the caller promises the kernel's siginfo, and holds the claim: no other thread reads or writes the incident.
    unsafe { note(pid, tid, fault, info, INCIDENT.0.get()) };
    PROCESS.store(pid, Relaxed);
}

/// In a copy of the process, which has found out more: replaces what the report is about.
pub fn correct_incident(incident: Incident) {
    PROCESS.store(incident.pid, Relaxed);
    // SAFETY: the copy has one thread, and the callers keep no reference to the incident.
    unsafe { *INCIDENT.0.get() = incident };
}

/// In a copy of a child that shares its parent's memory: the crash is that child's, whatever the parent is reporting.
pub fn take_over(incident: Incident) {
    CLAIM.store(packed(incident.pid, incident.tid), Relaxed);
    correct_incident(incident);
}

/// In a forked child: a report that was under way in its parent is not this process's.
pub fn adopt_forked_child() {
    CLAIM.store(0, Relaxed);
    platform::forget_trial();
}

/// Blocks what must not interrupt the handling of a crash; returns the mask before.
///
/// All signals but the crash signals: SIGSYS comes for a system call of ours that a filter traps, which would end the process if it
/// were blocked, and the others for a crash of our own. But crash signals that are pending, since the program has them blocked, stay
/// blocked: they would come now.
pub fn begin() -> u64 {
    platform::learn_forbidden();
    platform::block(!CRASH_SIGNALS | platform::pending_signals())
}

/// Does not return as long as another thread of this process is about to report and die: the process must end of its
/// crash, not of an exit that would never have been reached. Bounded by the report's deadline.
pub fn wait_for_crash_in_progress() {
    let is_learning = platform::is_learning_forbidden();
    if CLAIM.load(Acquire) == 0 && !is_learning {
        return;
    }
    // By these blocked signals the handler knows a trapped system call as ours (`is_handling`), and makes it fail. Otherwise the
    // program's handler would be called for it.
    let before = begin();
    if is_learning {
        wait_for_claim();
    }
    wait_for_holder();
    platform::block(before);
}

/// Waits until a thread that knows now what a filter forbids has taken the claim, which is the next thing that it does. A tenth of a second
/// at most: its signal may have been one that is not reported.
fn wait_for_claim() {
    for _ in 0..100 {
        if CLAIM.load(Acquire) != 0 {
            return;
        }
        platform::sleep(1_000_000);
    }
}

/// Waits until the thread that holds the claim has ended, or has had longer than a report may take.
fn wait_for_holder() {
    let (pid, tid) = (platform::pid(), platform::tid());
    let deadline = platform::nanoseconds() + (u64::from(options().crash_timeout) + 1) * 1_000_000_000;
    loop {
        let holder = CLAIM.load(Acquire);
        let holder_tid = holder as u32 as pid_t;
        if holder == 0
            || (holder >> 32) as pid_t != pid
            || holder_tid == tid
            || !platform::is_alive(pid, holder_tid)
            || platform::nanoseconds() > deadline
        {
            return;
        }
        platform::sleep(5_000_000);
    }
}

/// Notes what is known of the crash at once. In a function of its own, to need less of the stack: this runs on the program's alternate
/// stack, and those of Rust programs have 8 KiB. Field by field, through a pointer: if this crashes, the handler reads what is there.
///
/// # Safety
/// `info` is what the kernel gave to the running handler; nobody else has a reference to `incident`.
#[inline(never)]
pub unsafe fn note(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t, incident: *mut Incident) {
    let now = platform::nanoseconds();
    // SAFETY: the caller promises the kernel's siginfo, and an incident that nobody else has. A siginfo is at most as large as the field for it: 128 bytes on Linux, 104 on macOS.
    unsafe {
        (*incident).raised = *fault;
        let behind = platform::fault_behind(fault);
        (*incident).is_raised_again = behind.is_some();
        (*incident).fault = behind.unwrap_or(*fault);
        (*incident).cause = platform::cause(&(*incident).fault);
        (*incident).info = [0; 16];
        const { assert!(size_of::<siginfo_t>() <= size_of::<[u64; 16]>()) }; // signal-safe: at compile time
        (&raw mut (*incident).info).cast::<siginfo_t>().copy_from_nonoverlapping(info, 1);
        ((*incident).pid, (*incident).tid) = (pid, tid);
        let mut thread = [0; 16];
        platform::thread_name(&mut thread);
        (*incident).thread = thread;
        (*incident).time = platform::time_of_day();
        (*incident).uptime = now.saturating_sub(started());
        (*incident).deadline = now + u64::from(options().crash_timeout) * 1_000_000_000;
    }
}

/// What became of an attempt to get the claim.
pub enum Claim {
    /// This thread has it now.
    Ours,
    /// This thread had it before: a crash within its report.
    Already,
    /// Another thread has it, and has had longer than a report may take.
    Refused,
}

/// The value of [`CLAIM`] for a thread.
fn packed(pid: pid_t, tid: pid_t) -> u64 {
    u64::from(pid.cast_unsigned()) << 32 | u64::from(tid.cast_unsigned())
}

/// Gets the claim, as soon as no living thread of this process has it.
pub fn claim(pid: pid_t, tid: pid_t) -> Claim {
    let mine = packed(pid, tid);
    let deadline = platform::nanoseconds() + (u64::from(options().crash_timeout) + 5) * 1_000_000_000;
    loop {
        let holder = CLAIM.load(Acquire);
        if holder == mine {
            return Claim::Already;
        }
        let (holder_pid, holder_tid) = ((holder >> 32) as pid_t, holder as u32 as pid_t);
        // Where there are no copies, a vforked child that crashed has left its claim in our memory.
        let abandoned = holder == 0 || holder_pid != pid || !platform::is_alive(pid, holder_tid);
        if abandoned {
            if CLAIM.compare_exchange(holder, mine, AcqRel, Relaxed).is_ok() {
                return Claim::Ours;
            }
        } else if platform::nanoseconds() > deadline {
            return Claim::Refused;
        } else {
            platform::sleep(5_000_000);
        }
    }
}

/// Gives the claim back.
pub fn release(pid: pid_t, tid: pid_t) {
    let _ = CLAIM.compare_exchange(packed(pid, tid), 0, Release, Relaxed);
}
