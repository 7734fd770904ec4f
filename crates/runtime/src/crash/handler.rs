//! The handlers themselves.
//!
//! [`handler`] is what the kernel has in place of the default action; [`trampoline`] stands in front of a handler of the
//! program whose return means something.

use core::cell::UnsafeCell;
use core::sync::atomic::{
    AtomicI32, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use libc::{SA_RESETHAND, SIG_DFL, SIG_IGN, SIGABRT, SIGSYS, c_int, c_void, pid_t, siginfo_t};

use super::returns::Instruction;
use super::{Incident, STARTED, child, copy, death, header, options, ownership, raw, returns, vm_child};
use crate::arch;
use crate::platform::{self, Cause, Fault, is_own_process};
use crate::signals::Origin;
use crate::state::{STATE, State};
use settings::options::Crash;

/// Who is reporting: pid and tid in the halves of a word, 0 for nobody.
static CLAIM: AtomicU64 = AtomicU64::new(0);

struct Reported(UnsafeCell<Incident>);

// SAFETY: only the thread that holds the claim reads and writes it. The claim is taken by an exchange that acquires what the thread
// before has released, or left when it died. A copy of the process has one thread, and a copy of this.
unsafe impl Sync for Reported {}

static INCIDENT: Reported = Reported(UnsafeCell::new(NO_INCIDENT));

/// Whose crash is, or was last, under report; 0 for nobody's. Every thread that crashes asks for it, with or without the claim.
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Before anything has happened.
const NO_INCIDENT: Incident = Incident {
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

/// Nanoseconds from a report's deadline to the end of the process, whatever it waits for: for what can be told without waiting.
pub const GRACE: u64 = 300_000_000;

/// The crash under report. Only for the thread that holds the claim, and for a copy of the process; nobody keeps it over a call
/// of [`correct_incident`].
pub fn incident() -> &'static Incident {
    // SAFETY: what is promised above; who notes the incident does so field by field, so that a crash in between may read it.
    unsafe { &*INCIDENT.0.get() }
}

/// In a copy of the process, which knows more: what the report is about.
pub fn correct_incident(incident: Incident) {
    PROCESS.store(incident.pid, Relaxed);
    // SAFETY: the copy has one thread, and nobody keeps a borrow of it.
    unsafe { *INCIDENT.0.get() = incident };
}

/// In a copy that a child has made which runs in its parent's memory: the crash is that child's, whatever its parent is reporting.
pub fn take_over(incident: Incident) {
    CLAIM.store(word(incident.pid, incident.tid), Relaxed);
    correct_incident(incident);
}

/// The address of [`handler`].
pub fn address() -> usize {
    handler_entry as *const () as usize
}

/// The address of [`trampoline`].
pub fn trampoline_address() -> usize {
    trampoline_entry as *const () as usize
}

#[unsafe(naked)]
unsafe extern "C" fn handler_entry(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(handler)
}

#[unsafe(naked)]
unsafe extern "C" fn trampoline_entry(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(trampoline)
}

/// In a forked child: a report that was under way in its parent is not this process's.
pub fn adopt_forked_child() {
    CLAIM.store(0, Relaxed);
}

/// Whether what a handler was called for has interrupted the handling of a crash, by the signals that are blocked: no program
/// blocks those that libc keeps for itself. Nothing is noted for it, since a child by vfork must not.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
unsafe fn is_handling(context: *const c_void) -> bool {
    const OTHERS: u64 = !(ownership::CRASH_SIGNALS | 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1));
    // SAFETY: as promised.
    unsafe { platform::interrupted_mask(context) & OTHERS == OTHERS }
}

/// From here on a crash is handled. SIGSYS must not be blocked, or a call of ours that is trapped would end the process.
/// Returns what was blocked.
fn begin() -> u64 {
    platform::block(!ownership::CRASH_SIGNALS)
}

/// Lets a system call of our own that a filter traps fail; whether this signal is that. Makes no system call.
///
/// # Safety
/// The pointers are those that the kernel gave to the running handler.
unsafe fn fails_own_call(signal: c_int, info: *const siginfo_t, context: *mut c_void) -> bool {
    // SAFETY: as promised.
    unsafe {
        let is_own = signal == SIGSYS && is_handling(context) && platform::is_own_forbidden_call(info, context);
        if is_own {
            platform::fail_forbidden_call(context);
        }
        is_own
    }
}

unsafe extern "C" fn handler(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = platform::errno();
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    if unsafe { fails_own_call(signal, info, context) } {
        return;
    }
    // SAFETY: as above.
    if unsafe { platform::is_time_over(info) } {
        death::now(signal);
    }
    // SAFETY: as above.
    let fault = unsafe { platform::fault(signal, info, context) };
    platform::learn_forbidden();
    if platform::forbids_reports() {
        // SAFETY: as above.
        return unsafe { die_without_a_call(&fault, context) };
    }
    // The kernel has blocked the others for us.
    // SAFETY: as above.
    if unsafe { platform::interrupted_mask(context) } & 1 << (SIGSYS - 1) != 0 {
        begin();
    }
    if platform::is_copy_of(PROCESS.load(Relaxed)) {
        platform::exit_now(1);
    }
    let (pid, tid) = (platform::pid(), platform::tid());
    // The first process of a pid namespace does not get signals whose action is the default, unless the kernel raised them
    // for what it was doing.
    let kernel_would_drop = pid == 1 && !fault.is_forced();
    if !kernel_would_drop || is_in_abort(&fault) {
        // SAFETY: both are what the kernel gave us.
        unsafe { report_and_die(pid, tid, &fault, info, context) };
    }
    platform::set_errno(errno);
}

/// Where a sandbox forbids what a report does, and what a process usually dies by: one line, if that is allowed, and the end.
///
/// # Safety
/// `context` is what the kernel gave to the running handler, with this fault.
#[cold]
#[inline(never)]
unsafe fn die_without_a_call(fault: &Fault, context: *mut c_void) {
    static IS_TOLD: AtomicU32 = AtomicU32::new(0);
    if IS_TOLD.swap(1, Relaxed) == 0 {
        header::write_forbidden(&Incident {
            fault: *fault,
            raised: *fault,
            pid: platform::own_process(),
            ..NO_INCIDENT
        });
    }
    if fault.is_by_instruction() {
        // SAFETY: as promised.
        return unsafe { platform::block_on_return(context, fault.signal) };
    }
    if fault.signal == SIGABRT && platform::is_in_abort(&fault.registers) {
        // It does the rest itself.
        return;
    }
    ownership::restore_default(fault.signal);
    death::end(fault.signal)
}

/// Reports, if that is still to be done, and makes the return from the handler the end of the process.
///
/// # Safety
/// `info` and `context` are what the kernel gave to the running handler.
#[inline(never)]
unsafe fn report_and_die(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t, context: *mut c_void) {
    // SAFETY: as promised.
    unsafe {
        if ends_as_its_child(fault) || report(pid, tid, fault, info) {
            death::prepare(pid, tid, fault, info, context);
        }
    }
}

/// Whether the process has not crashed, but ends as its child did: timeout(1), strace(1) and shells raise the signal that
/// has killed their child, so that their own caller sees it, too.
#[inline(never)]
fn ends_as_its_child(fault: &Fault) -> bool {
    !fault.is_by_instruction()
        && fault.sender == platform::pid()
        && (child::was_killed_by(fault.signal) || platform::has_given_up_core_files())
        && !is_in_abort(fault)
        && platform::fault_behind(fault).is_none()
}

/// In the copy: a call that a sandbox forbids fails, instead of ending it.
///
/// # Safety
/// The kernel calls it, as a handler with SA_SIGINFO.
#[unsafe(naked)]
pub unsafe extern "C" fn forbidden_call(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(fail_call)
}

unsafe extern "C" fn fail_call(_signal: c_int, _info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    unsafe { platform::fail_forbidden_call(context) };
}

/// In front of a program's handler. It may leave by siglongjmp: nothing is held while it runs.
unsafe extern "C" fn trampoline(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = platform::errno();
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    if unsafe { fails_own_call(signal, info, context) } {
        return;
    }
    // SAFETY: as above.
    if unsafe { platform::is_time_over(info) } {
        death::now(signal);
    }
    let Some(owned) = ownership::owned(signal) else { return };
    let requested = owned.believed();
    match requested.handler {
        // Another thread has changed it since.
        // SAFETY: as the kernel called us.
        SIG_DFL => return unsafe { handler(signal, info, context) },
        SIG_IGN => return,
        _ => {}
    }
    // SAFETY: as above.
    let fault = unsafe { platform::fault(signal, info, context) };
    if fault.is_by_instruction() && returns::was_futile(&fault) {
        begin();
        ownership::drop_handler(owned, &requested);
        // SAFETY: both are what the kernel gave us.
        return unsafe { report_and_die(platform::pid(), platform::tid(), &fault, info, context) };
    }
    if options().crash == Crash::First && is_own_process() && is_new(fault.registers.pc()) {
        let before = begin();
        let (pid, tid) = (platform::pid(), platform::tid());
        // SAFETY: as above.
        unsafe { report(pid, tid, &fault, info) };
        copy::resume_threads();
        release(pid, tid);
        platform::block(before);
    }
    child::forget();
    if requested.flags & SA_RESETHAND != 0 {
        ownership::drop_handler(owned, &requested);
    }
    // What `signal` has installed for an error is reset after it has run; but who repairs the fault is not done with it.
    let may_give_up = requested.origin == Origin::ProgramBySignal && fault.is_by_instruction();
    let instruction = may_give_up.then(|| Instruction::of(&fault));
    platform::set_errno(errno);
    // Handlers without SA_SIGINFO are given all three as well: some of them know that the kernel passes them.
    // SAFETY: the program installed this address as a handler.
    unsafe {
        let handler: unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = core::mem::transmute(requested.handler);
        handler(signal, info, context);
    }
    let errno = platform::errno();
    if let Some(instruction) = instruction {
        // SAFETY: the handler may have changed what the thread goes on with.
        let goes_on = unsafe { platform::registers(context) };
        if goes_on.general == fault.registers.general
            && goes_on.flags == fault.registers.flags
            && instruction == Instruction::of(&fault)
            && platform::would_fault_again(&fault)
        {
            // A child that has its parent's memory leaves nothing there: it goes on as it would without us.
            if is_own_process() {
                returns::remember(&fault);
            }
        }
    } else if is_in_abort(&fault) {
        // Now abort would set the default action behind our back and raise the signal again.
        begin();
        // SAFETY: both are what the kernel gave us.
        unsafe { report_and_die(platform::pid(), platform::tid(), &fault, info, context) };
    }
    platform::set_errno(errno);
}

/// Whether a report before the program's own handler is due: one for each place, and not for ever, since there are
/// programs that fault and recover by the million.
fn is_new(pc: u64) -> bool {
    static SEEN: [AtomicU64; 10] = [const { AtomicU64::new(0) }; 10];
    SEEN.iter()
        .find_map(|slot| match slot.compare_exchange(0, pc, Relaxed, Relaxed) {
            Ok(_) => Some(true),
            Err(seen) => (seen == pc).then_some(false),
        })
        .unwrap_or(false)
}

/// Does not return as long as another thread of this process is about to report and die: the process must end of its
/// crash, not of an exit that would never have been reached. Bounded by the report's deadline.
pub fn wait_for_crash_in_progress() {
    if CLAIM.load(Acquire) == 0 {
        return;
    }
    // With these signals blocked a call that is trapped is known for ours, and fails; else the program's handler would see it.
    let before = begin();
    wait_for_holder();
    platform::block(before);
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

/// Reports the crash, if that is still to be done; whether the process is to end now.
///
/// # Safety
/// `info` is what the kernel gave to the running handler.
#[inline(never)]
unsafe fn report(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t) -> bool {
    if platform::MAKES_COPIES && !is_own_process() {
        // SAFETY: as promised.
        unsafe { report_in_vm_child(pid, tid, fault, info) };
        return true;
    }
    match claim(pid, tid) {
        Claim::Ours => {}
        Claim::Already => {
            /// Signals that others have sent are ignored while a report is written. After so many it is assumed that none of
            /// them was sent: that an instruction of ours faults again and again, with a siginfo that doesn't say so.
            const MOST: u32 = 16;
            static IGNORED: AtomicU32 = AtomicU32::new(0);
            if fault.is_by_instruction() || fault.sender == pid || IGNORED.fetch_add(1, Relaxed) >= MOST {
                // Our own work crashed.
                raw::write_after_crash();
                death::now(fault.signal);
            }
            return false;
        }
        Claim::Refused => return true,
    }
    // SAFETY: as promised, and we hold the claim.
    unsafe { happened(pid, tid, fault, info, INCIDENT.0.get()) };
    PROCESS.store(pid, Relaxed);
    let deadline = incident().deadline;
    if is_own_process() {
        State::count(&STATE.crash_reports);
    }
    let before = platform::block(!ownership::CRASH_SIGNALS);
    platform::limit_time(tid, fault.signal, deadline + GRACE);
    if !copy::write() {
        raw::write();
    }
    platform::block(before);
    true
}

/// The same in a child that runs in its parent's memory.
///
/// # Safety
/// That of [`report()`].
#[inline(never)]
unsafe fn report_in_vm_child(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t) {
    let mut incident = NO_INCIDENT;
    // SAFETY: as promised.
    unsafe { happened(pid, tid, fault, info, &raw mut incident) };
    vm_child::report(incident);
}

/// Notes what is known of the crash at once. In place, and in a frame of its own: all this runs on the program's alternate stack,
/// and Rust's are of 8 KiB, of which its own handler may have used some. Field by field, and through a pointer: if this crashes,
/// the handler reads what is there.
///
/// # Safety
/// `info` is what the kernel gave to the running handler; `incident` is nobody else's.
#[inline(never)]
unsafe fn happened(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t, incident: *mut Incident) {
    let now = platform::nanoseconds();
    // SAFETY: as promised. A siginfo is at most as large as the field for it: 128 bytes on Linux, 104 on macOS.
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
        (*incident).uptime = now.saturating_sub(STARTED.load(Relaxed));
        (*incident).deadline = now + u64::from(options().crash_timeout) * 1_000_000_000;
    }
}

enum Claim {
    Ours,
    /// By this very thread, before.
    Already,
    /// Another thread's report took all the time that there was.
    Refused,
}

fn word(pid: pid_t, tid: pid_t) -> u64 {
    u64::from(pid.cast_unsigned()) << 32 | u64::from(tid.cast_unsigned())
}

fn claim(pid: pid_t, tid: pid_t) -> Claim {
    let mine = word(pid, tid);
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

fn release(pid: pid_t, tid: pid_t) {
    let _ = CLAIM.compare_exchange(word(pid, tid), 0, Release, Relaxed);
}

/// Whether SIGABRT was raised by abort(3), which does not return whatever the handler does.
fn is_in_abort(fault: &Fault) -> bool {
    fault.signal == SIGABRT
        && !fault.is_by_instruction()
        && fault.sender == platform::pid()
        && platform::is_in_abort(&fault.registers)
}
