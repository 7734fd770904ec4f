//! The handlers themselves.
//!
//! [`handler`] is what the kernel has in place of the default action; [`trampoline`] stands in front of a handler of the
//! program whose return means something.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use libc::{SA_RESETHAND, SIG_DFL, SIG_IGN, SIGABRT, SIGSYS, c_int, c_void, pid_t, siginfo_t};

use super::incident::{self, Claim, Incident, NO_INCIDENT, begin, claim, release};
use super::ownership::Entries;
use super::returns::Instruction;
use super::settings::{CRASH_SIGNALS, options};
use super::{child, copy, death, header, ownership, raw, returns, stacks, vm_child};
use crate::arch;
use crate::platform::{self, Fault, is_own_process};
use crate::signals::Origin;
use crate::state::{STATE, State};
use settings::options::Crash;

/// What the kernel is told of the handlers in this file.
pub fn entries() -> Entries {
    Entries {
        handler: handler_entry as *const () as usize,
        trampoline: trampoline_entry as *const () as usize,
        forbidden_call: forbidden_call as *const () as usize,
    }
}

#[unsafe(naked)]
unsafe extern "C" fn handler_entry(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(handler)
}

#[unsafe(naked)]
unsafe extern "C" fn trampoline_entry(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(trampoline)
}

/// Whether a signal has interrupted the handling of a crash, by the signals that were blocked: [`begin`] blocks those that libc keeps
/// for itself, too, which no program does. A flag in memory would not do, since a child by vfork has its parent's.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
unsafe fn is_handling(context: *const c_void) -> bool {
    const OTHERS: u64 = !(CRASH_SIGNALS | 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1));
    // SAFETY: the caller promises what the kernel has given the running handler.
    unsafe { platform::interrupted_mask(context) & OTHERS == OTHERS }
}

/// If this signal is a system call of our own that a filter has trapped, makes that call fail, and returns true. Makes no system call.
///
/// # Safety
/// The pointers are those that the kernel gave to the running handler.
unsafe fn fails_own_call(signal: c_int, info: *const siginfo_t, context: *mut c_void) -> bool {
    // SAFETY: the caller promises what the kernel has given the running handler.
    unsafe {
        let is_own = signal == SIGSYS && is_handling(context) && platform::is_own_forbidden_call(info, context);
        if is_own {
            platform::fail_forbidden_call(context);
        }
        is_own
    }
}

/// Whether a fault in this file's own code has been mended, so that the interrupted instruction succeeds now. A thread may have lost its
/// control block, with errno in it: unmapped, or no longer known to the processor. Then the first thing that [`handler`] does is a fault.
/// One that can't be mended would come again and again, on an alternate stack that never fills: the process ends.
///
/// # Safety
/// The pointers are those that the kernel gave to the running handler.
unsafe fn mends_own_fault(signal: c_int, info: *const siginfo_t, context: *const c_void) -> bool {
    /// Faults of our own that are survived. A report that crashes has one or two.
    const MOST: u32 = 16;
    static FAULTS: AtomicU32 = AtomicU32::new(0);
    // SAFETY: the caller promises what the kernel has given the running handler.
    unsafe {
        let is_own = platform::is_bad_access(signal, info) && is_handling(context);
        if !is_own || platform::lend_thread_memory(info) {
            return is_own;
        }
    }
    if FAULTS.fetch_add(1, Relaxed) >= MOST {
        death::without_report(signal);
    }
    false
}

unsafe extern "C" fn handler(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    if unsafe { mends_own_fault(signal, info, context) } {
        return;
    }
    let errno = platform::errno();
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    if unsafe { fails_own_call(signal, info, context) } {
        return;
    }
    // SAFETY: `info` and `context` are those that the kernel has given this handler.
    if unsafe { platform::is_time_over(info) } {
        death::now(signal);
    }
    // SAFETY: `info` and `context` are those that the kernel has given this handler.
    let fault = unsafe { platform::fault(signal, info, context) };
    platform::learn_forbidden();
    if platform::forbids_reports() {
        // SAFETY: `info` and `context` are those that the kernel has given this handler.
        return unsafe { die_without_a_call(&fault, context) };
    }
    // SAFETY: `info` and `context` are those that the kernel has given this handler.
    unsafe {
        if platform::is_blocked_by_program(&fault, context) {
            platform::make_pending(platform::tid(), signal, info, context);
            return platform::set_errno(errno);
        }
    }
    // The kernel has blocked all other signals (`ownership::handler_action`). What `begin` adds is needed where SIGSYS was blocked.
    // SAFETY: `info` and `context` are those that the kernel has given this handler.
    if unsafe { platform::interrupted_mask(context) } & 1 << (SIGSYS - 1) != 0 {
        begin();
    }
    if platform::is_copy_of(incident::reported_process()) {
        platform::exit_now(1);
    }
    let (pid, tid) = (platform::pid(), platform::tid());
    // The first process of a pid namespace does not get signals whose action is the default, unless the kernel raised them
    // for what it was doing.
    let kernel_would_drop = pid == 1 && !fault.is_forced();
    if !kernel_would_drop || is_in_abort(&fault) {
        // SAFETY: `info` and `context` are those that the kernel has given this handler.
        unsafe { report_and_die(pid, tid, &fault, info, context) };
    }
    platform::set_errno(errno);
    platform::return_thread_memory();
}

/// Where a sandbox forbids the system calls of a report, and even those by which a process can end itself: writes one line, if that is
/// allowed, and makes the return from the handler the end of the process.
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
        // SAFETY: the caller promises what the kernel has given the running handler.
        return unsafe { platform::block_on_return(context, fault.signal) };
    }
    if fault.signal == SIGABRT && platform::is_in_abort(&fault.registers) {
        // abort(3) goes on to end the process itself.
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
    // SAFETY: the caller promises what the kernel has given the running handler.
    unsafe {
        if ends_as_its_child(fault) || report(pid, tid, fault, info) {
            death::prepare(pid, tid, fault, info, context);
        }
    }
}

/// Whether the process has not crashed, but ends itself as its child has ended: timeout(1), strace(1) and shells raise the signal that
/// has killed their child, so that their own caller sees it, too.
#[inline(never)]
fn ends_as_its_child(fault: &Fault) -> bool {
    !fault.is_by_instruction()
        && fault.sender == platform::pid()
        && (child::was_killed_by(fault.signal) || platform::has_given_up_core_files())
        && !is_in_abort(fault)
        && platform::fault_behind(fault).is_none()
}

/// The handler of SIGSYS in a copy: makes a system call that a sandbox traps fail, instead of ending the copy.
///
/// # Safety
/// The kernel calls it, as a handler with SA_SIGINFO.
#[unsafe(naked)]
unsafe extern "C" fn forbidden_call(_signal: c_int, _info: *mut siginfo_t, _context: *mut c_void) {
    arch::signal_entry!(fail_call)
}

unsafe extern "C" fn fail_call(_signal: c_int, _info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    unsafe { platform::fail_forbidden_call(context) };
}

/// Stands in front of a program's handler, which may leave by siglongjmp: nothing is held while it runs.
unsafe extern "C" fn trampoline(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = platform::errno();
    // SAFETY: the kernel calls us as it calls a handler with SA_SIGINFO.
    if unsafe { fails_own_call(signal, info, context) } {
        return;
    }
    // SAFETY: `info` and `context` are those that the kernel has given this handler.
    if unsafe { platform::is_time_over(info) } {
        death::now(signal);
    }
    let Some(owned) = ownership::owned(signal) else { return };
    let requested = owned.believed();
    match requested.handler {
        // Another thread has changed it since.
        // SAFETY: `info` and `context` are those that the kernel has given this handler.
        SIG_DFL => return unsafe { handler(signal, info, context) },
        SIG_IGN => return,
        _ => {}
    }
    // SAFETY: `info` and `context` are those that the kernel has given this handler.
    let fault = unsafe { platform::fault(signal, info, context) };
    // SAFETY: `info` and `context` are those that the kernel has given this handler.
    let is_blocked = unsafe {
        if platform::is_blocked_by_program(&fault, context) {
            platform::make_pending(platform::tid(), signal, info, context);
            return platform::set_errno(errno);
        }
        platform::is_reduced(platform::interrupted_mask(context))
    };
    // For a fault whose signal is blocked, the kernel would not have called the handler, but ended the process.
    if fault.is_by_instruction() && (is_blocked || returns::was_futile(&fault)) {
        begin();
        ownership::drop_handler(owned, &requested);
        // SAFETY: `info` and `context` are those that the kernel has given this handler.
        return unsafe { report_and_die(platform::pid(), platform::tid(), &fault, info, context) };
    }
    if options().crash == Crash::First && is_own_process() && is_new(fault.registers.pc()) {
        let before = begin();
        let (pid, tid) = (platform::pid(), platform::tid());
        // SAFETY: `info` and `context` are those that the kernel has given this handler.
        unsafe { report(pid, tid, &fault, info) };
        copy::resume_threads();
        release(pid, tid);
        platform::block(before);
    }
    child::forget();
    if requested.flags & SA_RESETHAND != 0 {
        ownership::drop_handler(owned, &requested);
    }
    // A handler that was installed by signal(2) may return to the faulting instruction for ever. Whether it has repaired anything is
    // seen by comparing the thread's state and the instruction before and after.
    let may_be_futile = requested.origin == Origin::ProgramBySignal && fault.is_by_instruction();
    let instruction = may_be_futile.then(|| Instruction::of(&fault));
    platform::set_errno(errno);
    // Handlers without SA_SIGINFO get all three arguments, too: Linux passes them, and some handlers rely on that.
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
            // A child that shares its parent's memory writes nothing there, and goes on as it would without us.
            if is_own_process() {
                returns::remember(&fault);
            }
        }
    } else if is_in_abort(&fault) {
        // Now abort would set the default action behind our back and raise the signal again.
        begin();
        // SAFETY: `info` and `context` are those that the kernel has given this handler.
        unsafe { report_and_die(platform::pid(), platform::tid(), &fault, info, context) };
    }
    platform::set_errno(errno);
}

/// Whether a report is due before the program's own handler is called (NOSIGPIPE_CRASH=first): one for each program counter, and ten
/// in all, since some programs fault and recover a million times.
fn is_new(pc: u64) -> bool {
    static SEEN: [AtomicU64; 10] = [const { AtomicU64::new(0) }; 10];
    SEEN.iter()
        .find_map(|slot| match slot.compare_exchange(0, pc, Relaxed, Relaxed) {
            Ok(_) => Some(true),
            Err(seen) => (seen == pc).then_some(false),
        })
        .unwrap_or(false)
}

/// Reports the crash, if that is still to be done; whether the process is to end now.
///
/// # Safety
/// `info` is what the kernel gave to the running handler.
#[inline(never)]
unsafe fn report(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t) -> bool {
    if platform::MAKES_COPIES && !is_own_process() {
        // SAFETY: the caller promises what the kernel has given the running handler.
        unsafe { report_in_vm_child(pid, tid, fault, info) };
        return true;
    }
    match claim(pid, tid) {
        Claim::Ours => {}
        Claim::Already => {
            /// Crash signals that other processes send are ignored while a report is written. After so many of them it is assumed
            /// that they were not sent: that our own code faults again and again, with a siginfo that doesn't say so.
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
    let mut raised = Raised { pid, tid, fault, info };
    // SAFETY: the caller promises the kernel's siginfo, and we hold the claim, which one thread has, and the spare stack with it.
    unsafe { platform::call_with_room(stacks::spare(), report_claimed, (&raw mut raised).cast()) };
    true
}

/// What [`report_claimed`] is to report: the arguments of [`report()`].
struct Raised<'a> {
    pid: pid_t,
    tid: pid_t,
    fault: &'a Fault,
    info: *const siginfo_t,
}

/// Reports a crash for which this thread holds the claim.
///
/// # Safety
/// The argument is a [`Raised`], with what the kernel gave to the running handler.
unsafe extern "C" fn report_claimed(raised: *mut c_void) {
    // SAFETY: the caller promises it.
    let &mut Raised { pid, tid, fault, info } = unsafe { &mut *raised.cast::<Raised>() };
    // SAFETY: the caller promises the kernel's siginfo, and we hold the claim.
    unsafe { incident::note_claimed(pid, tid, fault, info) };
    let deadline = incident::incident().deadline;
    if is_own_process() {
        State::count(&STATE.crash_reports);
    }
    let before = begin();
    platform::limit_time(tid, fault.signal, deadline + incident::GRACE);
    if !copy::write() {
        raw::write();
    }
    platform::block(before);
}

/// The same in a child that runs in its parent's memory.
///
/// # Safety
/// That of [`report()`].
#[inline(never)]
unsafe fn report_in_vm_child(pid: pid_t, tid: pid_t, fault: &Fault, info: *const siginfo_t) {
    let mut incident = NO_INCIDENT;
    // SAFETY: the caller promises what the kernel has given the running handler.
    unsafe { incident::note(pid, tid, fault, info, &raw mut incident) };
    vm_child::report(incident);
}

/// Whether SIGABRT was raised by abort(3), which does not return whatever the handler does.
fn is_in_abort(fault: &Fault) -> bool {
    fault.signal == SIGABRT
        && !fault.is_by_instruction()
        && fault.sender == platform::pid()
        && platform::is_in_abort(&fault.registers)
}
