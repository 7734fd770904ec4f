//! Which signals a thread blocks, as the program has set it and as the kernel has it.
//!
//! If the signal of a fault is blocked, the kernel ends the process without calling a handler, so there would be no report. Programs
//! block all signals in their worker threads, around fork and in `sa_mask`, so that signals that are sent go to other threads; they do
//! not mean the thread's own faults. So where a program blocks all signals, and the faults have their default action, the kernel is
//! given a reduced mask, without the signals of faults: [`reduced`]. The program is told what it has set: [`as_program_set`].
//!
//! Nothing is noted for each thread. A mask that lacks exactly the signals of faults, and has all others that only sigfillset(3) sets, is
//! taken for a reduced one. So masks are right however they get about: inherited by threads and children, saved by sigsetjmp(3) and
//! getcontext(3), restored by siglongjmp(3) and by the return from a handler, all of which libc and the kernel do without us.
//!
//! If such a signal is sent to a thread whose program has it blocked, it comes to our handler. That makes it pending again, and blocks it
//! in that thread from then on ([`make_pending`]).

use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use libc::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP, c_int, c_long, c_void, pid_t, siginfo_t, ucontext_t};

use super::action::mask_of;
use super::freestanding::own_call;
use super::{block, pid, send, send_again};
use crate::platform::is_own_process;
use crate::platform::{Fault, keeping_errno};

/// The signals of faults.
const FAULTS: u64 = 1 << (SIGSEGV - 1) | 1 << (SIGBUS - 1) | 1 << (SIGFPE - 1) | 1 << (SIGILL - 1) | 1 << (SIGTRAP - 1);
/// Signals by which a set of all signals is known, even if some were taken out: real-time signals, from the first one on that no libc
/// keeps for itself (35); and SIGSYS, which programs that leave faults out of a set leave out with them.
const OTHERS: u64 = !0 << (35 - 1) | 1 << (SIGSYS - 1);

/// Whether masks are reduced in this process: one of the following.
static USE: AtomicU32 = AtomicU32::new(NOT_YET);
const NOT_YET: u32 = 0;
/// Since the first mask that was reduced.
const IN_USE: u32 = 1;
/// Never: the program itself has set a mask that looks like a reduced one.
const NEVER: u32 = 2;

/// Which of the signals of faults we own and have, for the program, their default action.
static DEFAULT: AtomicU64 = AtomicU64::new(0);

/// Notes whether the action of a signal that we own is, for the program, the default one.
pub fn note_default(signal: c_int, is_default: bool) {
    if is_default {
        DEFAULT.fetch_or(mask_of(signal), Relaxed);
    } else {
        DEFAULT.fetch_and(!mask_of(signal), SeqCst);
    }
}

/// Whether masks are reduced in this process.
#[inline(always)]
pub fn are_masks_reduced() -> bool {
    USE.load(SeqCst) == IN_USE
}

/// Whether a mask is that of all signals, but for a few that don't matter.
#[inline(always)]
pub fn is_nearly_full(mask: u64) -> bool {
    mask & OTHERS == OTHERS
}

/// The mask that the kernel is given where the program sets this one.
#[inline(always)]
pub fn reduced(mask: u64) -> u64 {
    if is_nearly_full(mask) { without_faults(mask) } else { mask }
}

#[cold]
fn without_faults(mask: u64) -> u64 {
    let faults = mask & FAULTS;
    // Not if only some of the signals of faults are blocked, nor if one of them has another action or is not owned. A child that shares
    // our memory may not note anything there.
    if !matches!(faults, 0 | FAULTS) || !is_own_process() || DEFAULT.load(Relaxed) & FAULTS != FAULTS {
        return mask;
    }
    let next = if faults == 0 { NEVER } else { IN_USE };
    let now = USE.compare_exchange(NOT_YET, next, SeqCst, Relaxed).map_or_else(|now| now, |_| next);
    // Another thread may be setting a handler. By SeqCst, either it sees the new USE in `publish_belief`, or we see here what it has
    // noted.
    let are_default = DEFAULT.load(SeqCst) & FAULTS == FAULTS;
    if now == IN_USE && are_default { mask & !FAULTS } else { mask }
}

/// The mask that the program has set, by the one that the kernel has.
#[inline(always)]
pub fn as_program_set(mask: u64) -> u64 {
    if is_reduced(mask) { mask | FAULTS } else { mask }
}

/// Whether a mask that the kernel has is a reduced one.
#[inline(always)]
pub fn is_reduced(mask: u64) -> bool {
    mask & (OTHERS | FAULTS) == OTHERS && are_masks_reduced()
}

/// Blocks or unblocks one signal, as the program has asked; whether it was blocked before.
pub fn change_mask(how: c_int, signal: c_int) -> bool {
    let set = mask_of(signal);
    let mut before = 0u64;
    // SAFETY: both are kernel signal sets of the size given.
    unsafe { own_call(libc::SYS_rt_sigprocmask, how, &raw const set, &raw mut before, size_of::<u64>()) };
    let believed = as_program_set(before);
    if believed != before && set & (FAULTS | OTHERS) != 0 {
        block(reduced(if how == libc::SIG_BLOCK { believed | set } else { believed & !set }));
    }
    believed & set != 0
}

/// The mask that the kernel has for the calling thread; `None` where a filter forbids to ask.
fn mask_in_force() -> Option<u64> {
    let mut mask = 0u64;
    // SAFETY: the set is ours and of the size given.
    let result = unsafe { own_call(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, 0, &raw mut mask, size_of::<u64>()) };
    (result == 0).then_some(mask)
}

/// While this is kept, the kernel has the mask that the program has set, for programs that this thread starts and that inherit it.
/// The number is the reduced mask to go back to; 0 where there was none.
pub struct ProgramMask(u64);

impl ProgramMask {
    /// Gives the kernel that mask.
    #[inline(always)]
    pub fn begin() -> Self {
        if are_masks_reduced() { Self::set() } else { Self(0) }
    }

    #[cold]
    fn set() -> Self {
        keeping_errno(|| {
            let Some(before) = mask_in_force().filter(|&mask| is_reduced(mask)) else { return Self(0) };
            block(before | FAULTS);
            Self(before)
        })
    }
}

impl Drop for ProgramMask {
    #[inline(always)]
    fn drop(&mut self) {
        if self.0 != 0 {
            keeping_errno(|| block(self.0));
        }
    }
}

/// Whether a signal that has come to a handler was sent to a thread in which the program has it blocked.
///
/// # Safety
/// `context` is what the kernel gave to the running handler, with this fault.
pub unsafe fn is_blocked_by_program(fault: &Fault, context: *const c_void) -> bool {
    // SAFETY: the caller promises the kernel's context.
    !fault.is_forced()
        && mask_of(fault.signal) & FAULTS != 0
        && is_reduced(unsafe { super::interrupted_mask(context) })
        // SAFETY: the caller promises the kernel's context.
        && unsafe { is_in_force(context) }
}

/// Whether the interrupted thread had the same mask in force as it goes on with. sigsuspend(2), ppoll(2) and their like have another one
/// in force while they wait, and the signal may have come because of that.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
unsafe fn is_in_force(context: *const c_void) -> bool {
    // A reduced mask has SIGSYS. If that is not blocked now, the mask in force when the signal came was another one.
    if mask_in_force().is_some_and(|mask| mask & mask_of(SIGSYS) == 0) {
        return false;
    }
    // SAFETY: the caller promises the kernel's context.
    let call = unsafe { super::interrupted_call(context) };
    let Some(call) = call.filter(|call| call.result == -c_long::from(libc::EINTR)) else { return true };
    // Which argument of a call is the mask to wait with, if there is one. rt_sigsuspend(2) always has one.
    let index = match call.number {
        Some(libc::SYS_rt_sigsuspend) => return false,
        Some(libc::SYS_ppoll) => 3,
        Some(libc::SYS_epoll_pwait | SYS_EPOLL_PWAIT2 | libc::SYS_io_uring_enter) => 4,
        Some(libc::SYS_pselect6 | SYS_IO_PGETEVENTS) => 5,
        _ => return true,
    };
    call.arguments.get(index).copied().flatten() == Some(0)
}

/// epoll_pwait2(2), by the number that all processors have.
const SYS_EPOLL_PWAIT2: c_long = 441;
/// io_pgetevents(2), which the libc crate lacks for x86_64.
const SYS_IO_PGETEVENTS: c_long = if cfg!(target_arch = "x86_64") { 333 } else { 292 };

/// Sends a signal that was sent to this thread again, with its siginfo, for the thread or for the process as before, and makes the
/// interrupted code block it and the other signals of faults from now on: so it is pending. If it goes to another thread with a reduced
/// mask, the same happens there.
///
/// # Safety
/// `info` and `context` are what the kernel gave to the running handler.
pub unsafe fn make_pending(tid: pid_t, signal: c_int, info: *const siginfo_t, context: *mut c_void) {
    block(!(1 << (SIGSYS - 1)));
    // SAFETY: the caller promises the kernel's siginfo and context; the kernel's set is the first eight bytes of uc_sigmask.
    let code = unsafe {
        *(&raw mut (*context.cast::<ucontext_t>()).uc_sigmask).cast::<u64>() |= FAULTS;
        (*info).si_code
    };
    let pid = pid();
    // tkill(2), and the kernel itself, send to a thread.
    let is_for_thread = code == libc::SI_TKILL || code > 0;
    // SAFETY: the caller promises the kernel's siginfo; its value is behind code and sender, as in every siginfo of a signal that was sent.
    unsafe {
        if is_for_thread {
            // Without the siginfo where the user has too many queued signals (RLIMIT_SIGPENDING).
            let _ = send_again(pid, tid, signal, info) || send(pid, tid, signal);
            return;
        }
        let is_sent = |info: *const siginfo_t| own_call(libc::SYS_rt_sigqueueinfo, pid, signal, info) == 0;
        if is_sent(info) {
            return;
        }
        // The kernel lets only the main thread send a siginfo that says SI_USER (kernel/signal.c, do_rt_sigqueueinfo). If the process has
        // sent the signal to itself, a new kill(2) has the same siginfo. If another process has, the sender is kept, but as if it had
        // used sigqueue(3).
        let mut queued = *info;
        queued.si_code = libc::SI_QUEUE;
        if code != libc::SI_USER || (*info).si_pid() == pid || !is_sent(&raw const queued) {
            own_call(libc::SYS_kill, pid, signal);
        }
    }
}
