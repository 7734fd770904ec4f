//! A copy of the process by the bare clone(2), and how to wait for it; dying with the original siginfo.

use core::sync::atomic::{AtomicU32, Ordering::Acquire};

use libc::{c_int, c_long, c_void, pid_t, siginfo_t};

/// Nanoseconds on a clock that only goes forward.
pub fn nanoseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Seconds and nanoseconds since 1970.
pub fn time_of_day() -> (i64, u32) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    (now.tv_sec, now.tv_nsec as u32)
}

/// The calling thread's id, from the kernel: right in every kind of child.
pub fn tid() -> pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as pid_t }
}

/// Whether a thread of this process is alive.
pub fn is_alive(pid: pid_t, tid: pid_t) -> bool {
    // SAFETY: signal 0 only asks.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, 0) == 0 }
}

/// The calling thread's name.
pub fn thread_name(name: &mut [u8; 16]) {
    // SAFETY: PR_GET_NAME writes at most 16 bytes.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_NAME, name.as_mut_ptr()) };
}

/// Replaces the calling thread's set of blocked signals; returns the one before.
pub fn block(set: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: both sets are ours and of the size given.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, &raw mut before, size_of::<u64>())
    };
    before
}

/// Makes a copy of the process that runs a function; its pid, negative when there is none. No atfork handler runs and
/// nobody's lock is asked for. The copy's end sends no signal, and no wait(2) of the program sees it.
///
/// # Safety
/// `top` is the upper end of private memory that is used for nothing else and suffices for the function: the stack that
/// we are on may be the program's, in memory that it shares, where the copy and we would both write. Null for that
/// stack nevertheless.
#[unsafe(naked)]
pub unsafe extern "C" fn copy_process(top: *mut u8, function: extern "C" fn() -> !) -> pid_t {
    core::arch::naked_asm!(
        "mov r9, rsi", // kept by the system call, and none of its arguments
        "mov rsi, rdi",
        "xor edi, edi",
        "xor edx, edx",
        "xor r10d, r10d",
        "xor r8d, r8d",
        "mov eax, {clone}",
        "syscall",
        "test rax, rax",
        "jnz 2f",
        "xor ebp, ebp",
        "and rsp, -16",
        "call r9",
        "ud2",
        "2:",
        "ret",
        clone = const libc::SYS_clone,
    )
}

/// Lets that child read our registers and memory where Yama restricts who may (prctl(2), PR_SET_PTRACER).
pub fn allow_tracing_by(child: pid_t) {
    const PR_SET_PTRACER: c_int = 0x5961_6d61;
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_prctl, PR_SET_PTRACER, c_long::from(child), 0, 0, 0) };
}

/// The process that made this one, or whoever has taken its place since.
pub fn parent() -> pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::syscall(libc::SYS_getppid) as pid_t }
}

/// In the copy: die when the thread that made it dies.
pub fn die_with_parent() {
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Whether that child has ended, and if so its wait status.
pub fn ended(child: pid_t) -> Option<c_int> {
    let mut status = 0;
    // SAFETY: `status` is ours.
    let found = unsafe { libc::syscall(libc::SYS_wait4, child, &raw mut status, libc::WNOHANG | libc::__WALL, 0) };
    // An error means that somebody else has waited for it.
    (found != 0).then_some(if found > 0 { status } else { libc::SIGKILL })
}

/// Ends a child that takes too long, for good.
pub fn end(child: pid_t) {
    // SAFETY: our own child, which nobody has waited for yet.
    unsafe {
        libc::syscall(libc::SYS_kill, child, libc::SIGKILL);
        libc::syscall(libc::SYS_wait4, child, 0, libc::__WALL, 0);
    }
}

/// Sleeps until the word has changed, or for this long.
pub fn wait_for_change(word: &AtomicU32, from: u32, nanoseconds: u64) {
    if word.load(Acquire) != from {
        return;
    }
    let time = libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000).cast_signed(),
        tv_nsec: (nanoseconds % 1_000_000_000).cast_signed(),
    };
    // SAFETY: the word lives as long as the borrow. Not FUTEX_PRIVATE: the other side is another process.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, from, &raw const time, 0, 0) };
}

/// Wakes whoever waits for a change of the word.
pub fn wake(word: &AtomicU32) {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
}

/// Sleeps.
pub fn sleep(nanoseconds: u64) {
    let word = AtomicU32::new(0);
    wait_for_change(&word, 0, nanoseconds);
}

/// Sends a signal to the calling thread as it came the first time.
///
/// # Safety
/// `info` is what the kernel gave to a handler.
pub unsafe fn send_again(pid: pid_t, tid: pid_t, signal: c_int, info: *const siginfo_t) -> bool {
    // SAFETY: as promised.
    unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, pid, tid, signal, info) == 0 }
}

/// Sends a signal to the calling thread.
pub fn send(pid: pid_t, tid: pid_t, signal: c_int) {
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) };
}

/// Whether a signal is pending for the calling thread or the process.
pub fn is_pending(signal: c_int) -> bool {
    let mut set = 0u64;
    // SAFETY: the set is ours and of the size given.
    unsafe { libc::syscall(libc::SYS_rt_sigpending, &raw mut set, size_of::<u64>()) };
    set & 1 << (signal - 1) != 0
}

/// Ends the process at once.
pub fn exit_now(status: c_int) -> ! {
    loop {
        // SAFETY: nothing is left to be kept in order.
        unsafe {
            libc::syscall(libc::SYS_exit_group, status);
            core::arch::asm!("hlt", options(nomem, nostack));
        }
    }
}

/// Runs a function on another stack, of which `top` is the upper end.
///
/// # Safety
/// `top` is the 16-byte aligned upper end of memory that is used for nothing else and suffices for the function.
#[unsafe(naked)]
pub unsafe extern "C" fn call_on_stack(
    top: *mut u8,
    function: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// Writes to a descriptor whose reader may have stopped reading: gives up at `deadline`. How much was written.
pub fn write_until(fd: c_int, bytes: &[u8], deadline: u64) -> usize {
    /// What poll(2) promises to fit into a pipe that it calls writable (PIPE_BUF, pipe(7)).
    const PIPE_BUF: usize = 4096;
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        let left = deadline.saturating_sub(nanoseconds());
        let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        let milliseconds = (left / 1_000_000).min(1_000) as c_int;
        // SAFETY: one pollfd, ours.
        let ready = unsafe { libc::syscall(libc::SYS_poll, &raw mut poll, 1, milliseconds) };
        if ready == 0 && left > 0 {
            continue;
        }
        // Without poll (seccomp) there is only the plain write.
        if ready == 0 || ready > 0 && poll.revents & libc::POLLOUT == 0 {
            break;
        }
        let take = rest.len().min(PIPE_BUF);
        // SAFETY: the bytes are ours. Raw, so that no interposed write runs in a signal handler.
        let done = unsafe { libc::syscall(libc::SYS_write, fd, rest.as_ptr(), take) };
        match usize::try_from(done) {
            Ok(done) if done > 0 => written += done,
            _ if matches!(super::errno(), libc::EINTR | libc::EAGAIN) && left > 0 => {}
            _ => break,
        }
    }
    written
}
