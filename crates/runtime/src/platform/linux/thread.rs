//! Threads, time, and the end of the process with the original siginfo.

use super::freestanding::own_call;
use crate::arch;
use core::sync::atomic::{AtomicI32, AtomicIsize, AtomicU32, Ordering::Relaxed};

use libc::{c_int, pid_t, siginfo_t};

/// Whether threads can be stopped by the crashed thread itself: ptrace(2) is for other processes.
pub const STOPS_THREADS_FROM_WITHIN: bool = false;

/// Nanoseconds on a clock that only goes forward.
pub fn nanoseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) } != 0 {
        // A sandbox forbids the system call, and a clock that stands still would make waiting endless.
        return arch::about_nanoseconds();
    }
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The calling thread's id, from the kernel: right in every kind of child.
pub fn tid() -> pid_t {
    // SAFETY: no preconditions.
    let tid = unsafe { own_call(libc::SYS_gettid) as pid_t };
    if tid > 0 { tid } else { tid_of_libc() }
}

/// Offset from the thread pointer at which libc keeps a thread's id; 0 until [`learn_tid_offset`].
static TID_OFFSET: AtomicIsize = AtomicIsize::new(0);

/// Finds out where libc keeps a thread's id. To be called before a process forbids itself system calls.
pub fn learn_tid_offset() {
    let address = tid_address();
    // SAFETY: not null, so the address of the id, which stays as long as the thread.
    if !address.is_null() && unsafe { address.read() } == tid() {
        TID_OFFSET.store(address.addr() as isize - arch::thread_pointer(), Relaxed);
    }
}

/// The address at which libc keeps the calling thread's id: it has the kernel clear that number at the thread's end
/// (set_tid_address(2)). Null where there is none, or the kernel does not tell. The number stays as long as the thread.
fn tid_address() -> *const pid_t {
    let mut address = core::ptr::null::<pid_t>();
    // SAFETY: the kernel writes one pointer.
    unsafe { own_call(libc::SYS_prctl, libc::PR_GET_TID_ADDRESS, &raw mut address) };
    address
}

/// The calling thread's id where a filter forbids gettid(2); -1 where it can't be known.
#[cold]
fn tid_of_libc() -> pid_t {
    let (address, offset) = (tid_address(), TID_OFFSET.load(Relaxed));
    let is_own = super::pid() == crate::platform::own_process();
    // SAFETY: the address, if it is not null, is that of the id; and every thread of libc's has its id at the same offset.
    unsafe {
        match () {
            () if !address.is_null() => address.read(),
            () if is_own && offset != 0 => arch::thread_i32(offset),
            () if is_own => -1,
            // A child that shares our memory has its parent's control block, and one thread.
            () => super::pid(),
        }
    }
}

/// Whether a thread of this process is alive; true where a filter forbids to ask.
pub fn is_alive(pid: pid_t, tid: pid_t) -> bool {
    // SAFETY: signal 0 only asks.
    unsafe { own_call(libc::SYS_tgkill, pid, tid, 0) == 0 || super::errno() != libc::ESRCH }
}

/// Address of the calling thread's control block, from the kernel: the block itself, which has it, too, may not be readable. 0 where a
/// filter forbids to ask.
pub fn thread_pointer() -> usize {
    if super::is_forbidden(arch::THREAD_POINTER) { 0 } else { arch::thread_pointer_by_kernel() }
}

/// The calling thread's name.
pub fn thread_name(name: &mut [u8; 16]) {
    // SAFETY: PR_GET_NAME writes at most 16 bytes.
    unsafe { own_call(libc::SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr()) };
}

/// Replaces the calling thread's set of blocked signals; returns the one before.
pub fn block(set: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: both sets are ours and of the size given.
    unsafe { own_call(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, &raw mut before, size_of::<u64>()) };
    before
}

/// Sleeps.
pub fn sleep(nanoseconds: u64) {
    // By futex(2), which a report needs anyway: one system call less that a sandbox may forbid.
    let futex = AtomicU32::new(0);
    super::copy::wait_for_change(&futex, 0, nanoseconds);
}

/// Whether a return to the faulting instruction tells the system more about the crash than sending the signal again. Not here: the
/// signal is sent with its siginfo.
pub const ENDS_BY_INSTRUCTION: bool = false;

/// Sends a signal to the calling thread as it came the first time.
///
/// # Safety
/// `info` is what the kernel gave to a handler.
pub unsafe fn send_again(pid: pid_t, tid: pid_t, signal: c_int, info: *const siginfo_t) -> bool {
    // SAFETY: the caller promises the kernel's siginfo, which is only read.
    unsafe { own_call(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, info) == 0 }
}

/// Sends a signal to the calling thread; whether that was allowed.
pub fn send(pid: pid_t, tid: pid_t, signal: c_int) -> bool {
    // SAFETY: no memory is involved.
    unsafe { own_call(libc::SYS_tgkill, pid, tid, signal) == 0 }
}

/// Whether a signal is pending for the calling thread or the process; true where a filter forbids to ask.
pub fn is_pending(signal: c_int) -> bool {
    pending().is_none_or(|set| set & 1 << (signal - 1) != 0)
}

/// Which signals are pending for the calling thread or the process; none where a filter forbids to ask.
pub fn pending_signals() -> u64 {
    pending().unwrap_or(0)
}

fn pending() -> Option<u64> {
    let mut set = 0u64;
    // SAFETY: the set is ours and of the size given.
    let is_told = unsafe { own_call(libc::SYS_rt_sigpending, &raw mut set, size_of::<u64>()) == 0 };
    is_told.then_some(set)
}

/// Ends the process at once.
pub fn exit_now(status: c_int) -> ! {
    loop {
        // SAFETY: nothing is left to be kept in order.
        unsafe {
            own_call(libc::SYS_exit_group, status);
        }
        arch::halt();
    }
}

/// Writes to a descriptor whose reader may have stopped reading: gives up when nothing could be written for `patience`
/// nanoseconds, and at `deadline`. Whether all was written.
pub fn write_until(fd: c_int, bytes: &[u8], patience: u64, deadline: u64) -> bool {
    /// What poll(2) promises to fit into a pipe that it calls writable (PIPE_BUF, pipe(7)).
    const PIPE_BUF: usize = 4096;
    let mut written = 0;
    let mut stalled_at = nanoseconds().saturating_add(patience).min(deadline);
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        let left = stalled_at.saturating_sub(nanoseconds());
        let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        let milliseconds = (left / 1_000_000).min(1_000) as c_int;
        let ready = super::freestanding::poll(core::slice::from_mut(&mut poll), milliseconds);
        if ready == 0 && left > 0 {
            continue;
        }
        // Without poll (seccomp) there is only the plain write.
        if ready == 0 || ready > 0 && poll.revents & libc::POLLOUT == 0 {
            return false;
        }
        let take = rest.len().min(PIPE_BUF);
        // SAFETY: the bytes are ours. Raw, so that no interposed write runs in a signal handler.
        let done = unsafe { own_call(libc::SYS_write, fd, rest.as_ptr(), take) };
        match usize::try_from(done) {
            Ok(done) if done > 0 => {
                written += done;
                stalled_at = nanoseconds().saturating_add(patience).min(deadline);
            }
            _ if matches!(super::errno(), libc::EINTR | libc::EAGAIN) && left > 0 => {}
            _ => return false,
        }
    }
    true
}

/// Nanoseconds between the end of the time allowed and SIGKILL. To end by the signal of the crash takes a moment; on a machine that is busy
/// a second was too short for a process of 512 MiB, and it ended by SIGKILL.
const RESPITE: u64 = 3_000_000_000;

/// Timers of [`set_timers`], by the numbers that the kernel has given them; -1 for none.
pub type Timers = [c_int; 2];

/// The timers of [`limit_time`].
static TIMERS: [AtomicI32; 2] = [const { AtomicI32::new(-1) }; 2];

/// At `deadline` sends the calling thread `signal`, for which [`is_time_over`] is true; and [`RESPITE`] later SIGKILL, in case the thread
/// waits for something that no other signal interrupts. Until [`forget_time_limit`].
pub fn limit_time(tid: pid_t, signal: c_int, deadline: u64) {
    for (slot, timer) in TIMERS.iter().zip(set_timers(tid, signal, deadline)) {
        slot.store(timer, Relaxed);
    }
}

/// The same, without noting the timers: until [`delete_timers`].
pub fn set_timers(tid: pid_t, signal: c_int, deadline: u64) -> Timers {
    let now = nanoseconds();
    [(signal, deadline), (libc::SIGKILL, deadline + RESPITE)].map(|(signal, deadline)| {
        // struct sigevent, as the kernel has it: value, signal, how to notify, thread.
        let event: [u64; 8] = [
            cookie(),
            u64::from(signal.unsigned_abs()) | (libc::SIGEV_THREAD_ID as u64) << 32,
            u64::from(tid.unsigned_abs()),
            0,
            0,
            0,
            0,
            0,
        ];
        // Relative: where the clock can't be asked, `nanoseconds` is another clock.
        let left = deadline.saturating_sub(now).max(1);
        let time = libc::timespec {
            tv_sec: (left / 1_000_000_000).cast_signed(),
            tv_nsec: (left % 1_000_000_000).cast_signed(),
        };
        let once = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: time };
        let mut timer: c_int = -1;
        // SAFETY: all structures are ours and as the kernel has them.
        unsafe {
            if own_call(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, &raw const event, &raw mut timer) == 0 {
                own_call(libc::SYS_timer_settime, timer, 0, &raw const once, 0);
            }
        }
        timer
    })
}

/// Whether a signal is that of [`limit_time`].
///
/// # Safety
/// `info` is what the kernel gave to a handler.
pub unsafe fn is_time_over(info: *const siginfo_t) -> bool {
    // SAFETY: the caller promises the kernel's siginfo, which is a whole one; `si_value` is where it is in every siginfo of a timer.
    unsafe { (*info).si_code == libc::SI_TIMER && (*info).si_value().sival_ptr.addr() as u64 == cookie() }
}

/// Takes [`limit_time`] back.
pub fn forget_time_limit() {
    delete_timers([0, 1].map(|index: usize| TIMERS.get(index).map_or(-1, |slot| slot.swap(-1, Relaxed))));
}

/// Takes [`set_timers`] back.
pub fn delete_timers(timers: Timers) {
    for timer in timers {
        if timer >= 0 {
            // SAFETY: no memory is involved.
            unsafe { own_call(libc::SYS_timer_delete, timer) };
        }
    }
}

/// The value of our timers (`sigev_value`), which no timer of the program's has.
fn cookie() -> u64 {
    (&raw const TIMERS).addr() as u64
}
