//! Which signals a thread blocks, as the program has it and as the kernel has it.
//!
//! A fault whose signal is blocked is the end of the process, and the kernel asks nobody: no handler, no report. Programs block
//! all signals in their worker threads, around fork and in `sa_mask`, so that another thread gets what is sent; they do not mean their own
//! faults. So where a program blocks all signals, and leaves the faults to their default action, the kernel gets a mask without these:
//! [`reduced`]. The program is told what it has set: [`as_program_set`].
//!
//! Nothing is noted for a thread. A mask that lacks exactly the signals of faults, and has what only sigfillset(3) sets, stands for one
//! that has them, too: so it is inherited by threads and children, saved by sigsetjmp(3) and getcontext(3), restored by siglongjmp(3), and by the
//! return from a handler, all of which libc and the kernel do without us.
//!
//! A signal of these that somebody has sent, and that the program has blocked, comes to our handler: there it becomes pending again, and is
//! blocked indeed from then on ([`make_pending`]).

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
/// What is set besides in a set of all signals, whatever was taken out of it: signals without a meaning of their own, from the first that
/// no libc keeps for itself on; and SIGSYS, which programs that leave faults out of a set leave out with them.
const OTHERS: u64 = !0 << (35 - 1) | 1 << (SIGSYS - 1);

/// Whether masks stand for others in this process: one of the following.
static USE: AtomicU32 = AtomicU32::new(NOT_YET);
const NOT_YET: u32 = 0;
/// From the first mask on that stands for another.
const IN_USE: u32 = 1;
/// The program has set such a mask itself before: it means what it says, here.
const NEVER: u32 = 2;

/// Which of the signals of faults are ours, and have their default action as the program has it.
static DEFAULT: AtomicU64 = AtomicU64::new(0);

/// Notes for a signal that is ours whether its action is the default one, as the program has it.
pub fn note_default(signal: c_int, is_default: bool) {
    if is_default {
        DEFAULT.fetch_or(mask_of(signal), Relaxed);
    } else {
        DEFAULT.fetch_and(!mask_of(signal), SeqCst);
    }
}

/// Whether masks stand for others here.
#[inline(always)]
pub fn are_masks_reduced() -> bool {
    USE.load(SeqCst) == IN_USE
}

/// Whether a mask has what only a set of all signals has.
#[inline(always)]
pub fn is_nearly_full(mask: u64) -> bool {
    mask & OTHERS == OTHERS
}

/// The mask for the kernel, where the program wants this.
#[inline(always)]
pub fn reduced(mask: u64) -> u64 {
    if is_nearly_full(mask) { without_faults(mask) } else { mask }
}

#[cold]
fn without_faults(mask: u64) -> u64 {
    let faults = mask & FAULTS;
    // A child that shares our memory notes nothing there; and faults that are not ours are not let through.
    if !matches!(faults, 0 | FAULTS) || !is_own_process() || DEFAULT.load(Relaxed) & FAULTS != FAULTS {
        return mask;
    }
    let next = if faults == 0 { NEVER } else { IN_USE };
    let now = USE.compare_exchange(NOT_YET, next, SeqCst, Relaxed).map_or_else(|now| now, |_| next);
    // Another thread may be setting a handler: it sees the new USE, or we see what it has noted (`publish_belief`).
    let are_default = DEFAULT.load(SeqCst) & FAULTS == FAULTS;
    if now == IN_USE && are_default { mask & !FAULTS } else { mask }
}

/// What the program has set, of a mask that the kernel has.
#[inline(always)]
pub fn as_program_set(mask: u64) -> u64 {
    if is_reduced(mask) { mask | FAULTS } else { mask }
}

/// Whether a mask that the kernel has stands for one with the signals of faults in it.
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

/// The mask that the kernel has for the calling thread, as far as it may be asked.
fn mask_in_force() -> Option<u64> {
    let mut mask = 0u64;
    // SAFETY: the set is ours and of the size given.
    let result = unsafe { own_call(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, 0, &raw mut mask, size_of::<u64>()) };
    (result == 0).then_some(mask)
}

/// While a program is started by this thread: the kernel has the mask that the program has set, since what is started inherits it.
pub struct ProgramMask(u64);

impl ProgramMask {
    /// To be kept until the program has been started, or could not be.
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

/// Whether a signal that has come to a handler was sent to a thread whose program has it blocked.
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

/// Whether the interrupted thread had the mask in force that it goes on with. sigsuspend(2), ppoll(2) and their like have another one
/// while they wait, and the signal has come with that.
///
/// # Safety
/// `context` is what the kernel gave to the running handler.
unsafe fn is_in_force(context: *const c_void) -> bool {
    // The mask in question has SIGSYS. Our handlers do not block it, nor do most of a program's.
    if mask_in_force().is_some_and(|mask| mask & mask_of(SIGSYS) == 0) {
        return false;
    }
    // SAFETY: the caller promises the kernel's context.
    let call = unsafe { super::interrupted_call(context) };
    let Some(call) = call.filter(|call| call.result == -c_long::from(libc::EINTR)) else { return true };
    // Where the mask is among the arguments of a call that may have one; rt_sigsuspend(2) always has.
    let place = match call.number {
        Some(libc::SYS_rt_sigsuspend) => return false,
        Some(libc::SYS_ppoll) => 3,
        Some(libc::SYS_epoll_pwait | SYS_EPOLL_PWAIT2 | libc::SYS_io_uring_enter) => 4,
        Some(libc::SYS_pselect6 | SYS_IO_PGETEVENTS) => 5,
        _ => return true,
    };
    call.arguments.get(place).copied().flatten() == Some(0)
}

/// epoll_pwait2(2), by the number that all processors have.
const SYS_EPOLL_PWAIT2: c_long = 441;
/// io_pgetevents(2), which the libc crate lacks for x86_64.
const SYS_IO_PGETEVENTS: c_long = if cfg!(target_arch = "x86_64") { 333 } else { 292 };

/// Makes a signal pending that was sent, for the thread or for the process, as it was, with its siginfo. The interrupted thread blocks it
/// from now on, and the other signals of faults: one that comes to another thread of the kind goes the same way.
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
    // tkill(2) and the kernel itself name the thread.
    let is_for_thread = code == libc::SI_TKILL || code > 0;
    // SAFETY: the caller promises the kernel's siginfo; its value is behind code and sender, as in every siginfo of a signal that was sent.
    unsafe {
        if is_for_thread {
            // Without its siginfo where no memory for that is left to this user.
            let _ = send_again(pid, tid, signal, info) || send(pid, tid, signal);
            return;
        }
        let is_sent = |info: *const siginfo_t| own_call(libc::SYS_rt_sigqueueinfo, pid, signal, info) == 0;
        if is_sent(info) {
            return;
        }
        // Only the process's first thread may say that a signal is kill(2)'s (kernel/signal.c, do_rt_sigqueueinfo). Of one that the process
        // has sent itself a new one says the same. Of another's it is kept who has sent it, as if by sigqueue(3).
        let mut queued = *info;
        queued.si_code = libc::SI_QUEUE;
        if code != libc::SI_USER || (*info).si_pid() == pid || !is_sent(&raw const queued) {
            own_call(libc::SYS_kill, pid, signal);
        }
    }
}
