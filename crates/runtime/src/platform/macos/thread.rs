//! Threads, time, and the end of the process, for crash reports.

use core::ptr;

use libc::{c_int, c_void, pid_t, siginfo_t, sigset_t};

use super::{Fault, is_allowed};
use crate::arch::Access;

/// Whether threads can be stopped by the crashed thread itself.
pub const STOPS_THREADS_FROM_WITHIN: bool = true;

/// Nanoseconds on a clock that only goes forward.
pub fn nanoseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The calling thread's id.
pub fn tid() -> pid_t {
    let mut id = 0u64;
    // SAFETY: `id` is ours; no thread means the calling one.
    unsafe { libc::pthread_threadid_np(0, &raw mut id) };
    // Ids are counted up from the start of the system: the lower 32 bits tell the threads of a process apart.
    id as pid_t
}

/// Whether a signal is the kernel's word on an address that can't be used; not asked here.
///
/// # Safety
/// None: the arguments are not used.
pub unsafe fn is_bad_access(_signal: c_int, _info: *const siginfo_t) -> bool {
    false
}

/// Lends the calling thread memory for a control block that it has lost; not here, where the thread could not even be asked for its id.
///
/// # Safety
/// None: the argument is not used.
pub unsafe fn lend_thread_memory(_info: *const siginfo_t) -> bool {
    false
}

/// Takes such memory back.
pub fn return_thread_memory() {}

/// Whether a thread of this process is alive.
pub fn is_alive(pid: pid_t, tid: pid_t) -> bool {
    /// sys/proc_info.h; answers with a proc_threadinfo, or fails for a thread that has ended.
    const PROC_PIDTHREADID64INFO: c_int = 15;
    let mut info = [0u64; 14];
    // SAFETY: writes at most the size given into `info`.
    let written = unsafe {
        let size = size_of_val(&info) as c_int;
        libc::proc_pidinfo(pid, PROC_PIDTHREADID64INFO, u64::from(tid.cast_unsigned()), info.as_mut_ptr().cast(), size)
    };
    written > 0
}

/// The calling thread's name, as far as it fits.
pub fn thread_name(name: &mut [u8; 16]) {
    let mut whole = [0u8; 64];
    // SAFETY: writes a string of at most that many bytes.
    unsafe { libc::pthread_getname_np(libc::pthread_self(), whole.as_mut_ptr().cast(), whole.len()) };
    for (to, from) in name.iter_mut().zip(whole) {
        *to = from;
    }
}

/// Replaces the calling thread's set of blocked signals; returns the one before.
pub fn block(set: u64) -> u64 {
    let set = set as sigset_t;
    let mut before: sigset_t = 0;
    // SAFETY: both sets are ours.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const set, &raw mut before) };
    before.into()
}

/// Sleeps.
pub fn sleep(nanoseconds: u64) {
    let time = libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000).cast_signed(),
        tv_nsec: (nanoseconds % 1_000_000_000).cast_signed(),
    };
    // SAFETY: the structure is ours.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

/// Whether a return to the faulting instruction tells the system more about the crash than sending the signal again: its crash reporter
/// then gets the exception with its address. All other threads are suspended, so that none repairs what made the instruction fault; but
/// memory that we have mapped since may lie there.
pub const ENDS_BY_INSTRUCTION: bool = true;

/// Whether the instruction, executed again in the same state, is sure to raise the same signal now.
pub fn would_fault_again(fault: &Fault) -> bool {
    fault.is_by_instruction()
        && match fault.signal {
            libc::SIGSEGV | libc::SIGBUS => fault.access != Access::Unknown && !is_allowed(fault.address, fault.access),
            // On x86_64 the program counter is behind the breakpoint already.
            libc::SIGTRAP => cfg!(target_arch = "aarch64"),
            _ => true,
        }
}

/// Whether the registers are those with which the interrupted instruction has faulted: always here.
pub fn is_explained(_fault: &Fault) -> bool {
    true
}

/// Sends a signal to the calling thread as it came the first time: no call does that here.
///
/// # Safety
/// None needed; on Linux `info` must be what the kernel gave to a handler.
pub unsafe fn send_again(_pid: pid_t, _tid: pid_t, _signal: c_int, _info: *const siginfo_t) -> bool {
    false
}

/// Sends a signal to the calling thread.
pub fn send(_pid: pid_t, _tid: pid_t, signal: c_int) -> bool {
    // SAFETY: the calling thread exists.
    unsafe { libc::pthread_kill(libc::pthread_self(), signal) == 0 }
}

/// Whether a signal is pending for the calling thread.
pub fn is_pending(signal: c_int) -> bool {
    pending_signals() & 1 << (signal - 1) != 0
}

/// Which signals are pending for the calling thread or the process.
pub fn pending_signals() -> u64 {
    let mut set: sigset_t = 0;
    // SAFETY: the set is ours.
    unsafe { libc::sigpending(&raw mut set) };
    set.into()
}

/// Would make the return from the handler execute again what raised the signal: false, since [`ENDS_BY_INSTRUCTION`] does that here.
///
/// # Safety
/// None needed; on Linux `context` must be what the kernel gave to the running handler, with this fault.
pub unsafe fn execute_again(_fault: &Fault, _context: *mut c_void) -> bool {
    false
}

/// Raises a signal by an instruction, where none can be sent. Not here: signals can be sent to oneself.
pub fn raise_by_instruction(_signal: c_int) {}

/// Ends the process at once.
pub fn exit_now(status: c_int) -> ! {
    // SAFETY: nothing is left to be kept in order.
    unsafe { libc::_exit(status) }
}

/// Writes to a descriptor whose reader may have stopped reading: gives up when nothing could be written for `patience`
/// nanoseconds, and at `deadline`. Whether all was written.
pub fn write_until(fd: c_int, bytes: &[u8], patience: u64, deadline: u64) -> bool {
    /// What poll(2) promises to fit into a pipe that it calls writable (PIPE_BUF).
    const PIPE_BUF: usize = 512;
    super::without_sigpipe(fd, || {
        let mut written = 0;
        let mut stalled_at = nanoseconds().saturating_add(patience).min(deadline);
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            let left = stalled_at.saturating_sub(nanoseconds());
            let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
            let milliseconds = (left / 1_000_000).min(1_000) as c_int;
            // SAFETY: one pollfd, ours.
            let ready = unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
            if ready == 0 && left > 0 {
                continue;
            }
            if ready <= 0 || !super::may_be_written(&poll) {
                return false;
            }
            let take = rest.len().min(PIPE_BUF);
            // SAFETY: the bytes are ours.
            match usize::try_from(unsafe { libc::write(fd, rest.as_ptr().cast(), take) }) {
                Ok(done) if done > 0 => {
                    written += done;
                    stalled_at = nanoseconds().saturating_add(patience).min(deadline);
                }
                _ if matches!(super::errno(), libc::EINTR | libc::EAGAIN) && left > 0 => {}
                _ => return false,
            }
        }
        true
    })
}

/// A time limit that the system keeps: there is none here (docs/macos.md).
pub fn limit_time(_tid: pid_t, _signal: c_int, _deadline: u64) {}

/// What [`set_timers`] has made.
pub struct Timers;

/// The same, noted nowhere.
pub fn set_timers(_tid: pid_t, _signal: c_int, _deadline: u64) -> Timers {
    Timers
}

/// Takes [`set_timers`] back.
pub fn delete_timers(_timers: Timers) {}

/// Whether a signal is that of [`limit_time`].
///
/// # Safety
/// None needed; on Linux `info` must be the kernel's.
pub unsafe fn is_time_over(_info: *const siginfo_t) -> bool {
    false
}
