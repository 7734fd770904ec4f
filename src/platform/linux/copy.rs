//! A copy of the process that may take its time: made by the bare clone(2), with nothing shared but what is mapped so.

use core::ptr;
use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicPtr, AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use libc::{c_int, c_long, pid_t};

use super::process::lower_core_limit;
use super::{nanoseconds, pid, sleep};
use crate::platform::{End, Work};

/// The work, where the copy finds it.
static WORK: AtomicPtr<Work> = AtomicPtr::new(ptr::null_mut());
/// A copy that is done and keeps the process's other threads standing.
static WAITING: AtomicI32 = AtomicI32::new(0);
/// Set from before the copy is made; in the copy, for good.
static COPYING: AtomicBool = AtomicBool::new(false);

/// Whether we are a copy of that process: what goes wrong here is no crash to be reported.
pub fn is_copy_of(process: pid_t) -> bool {
    COPYING.load(Relaxed) && pid() != process
}

/// Has a copy of the process do the work.
///
/// # Safety
/// `top` is the upper end of private memory, aligned to 16, that is used for nothing else and suffices for the work: the
/// stack that we are on may be the program's, in memory that it shares, where the copy and we would both write. Null for
/// that stack nevertheless.
pub unsafe fn in_a_copy(top: *mut u8, work: &Work) -> End {
    WORK.store((&raw const *work).cast_mut(), Relaxed);
    COPYING.store(true, Relaxed);
    // SAFETY: as promised.
    let child = unsafe { copy_process(top, become_copy) };
    COPYING.store(false, Relaxed);
    WORK.store(ptr::null_mut(), Relaxed);
    if child < 0 {
        return End::NoCopy;
    }
    allow_tracing_by(child);
    loop {
        // The copy stays after it is done, since the threads that it has stopped would go on.
        match work.done {
            Some(done) => {
                wait_for_change(done, 0, 20_000_000);
                if done.load(Acquire) != 0 {
                    WAITING.store(child, Relaxed);
                    return End::Done;
                }
            }
            None => sleep(2_000_000),
        }
        if let Some(status) = ended(child) {
            return if status == 0 { End::Done } else { End::Crashed };
        }
        if nanoseconds() > work.deadline {
            end(child);
            return End::TookTooLong;
        }
    }
}

/// Lets the other threads go on, which a copy has stopped.
pub fn let_go() {
    let child = WAITING.swap(0, Relaxed);
    if child > 0 {
        end(child);
    }
}

extern "C" fn become_copy() -> ! {
    // SAFETY: set by in_a_copy, whose caller's memory we have a copy of.
    if let Some(work) = unsafe { WORK.load(Relaxed).as_ref() } {
        do_work(work);
    }
    super::exit_now(0);
}

fn do_work(work: &Work) {
    (work.begin)();
    die_with_parent();
    if is_orphan(work) {
        return;
    }
    lower_core_limit();
    close_others();
    (work.write)(move_stderr());
    if let Some(done) = work.done {
        done.store(1, Release);
        wake(done);
        // Our end would let the other threads go on, and one of them might call exit before the crashed one has died.
        while nanoseconds() < work.deadline && !is_orphan(work) {
            sleep(100_000_000);
        }
    }
}

/// Whether the process has gone before us.
fn is_orphan(work: &Work) -> bool {
    // A sandbox may forbid the question.
    let parent = parent();
    parent > 0 && parent != work.pid
}

/// Makes a copy of the process that runs a function; its pid, negative when there is none. No atfork handler runs and
/// nobody's lock is asked for. The copy's end sends no signal, and no wait(2) of the program sees it.
///
/// # Safety
/// `top` is the upper end of private memory that is used for nothing else and suffices for the function: the stack that
/// we are on may be the program's, in memory that it shares, where the copy and we would both write. Null for that
/// stack nevertheless.
#[unsafe(naked)]
unsafe extern "C" fn copy_process(top: *mut u8, function: extern "C" fn() -> !) -> pid_t {
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
fn allow_tracing_by(child: pid_t) {
    const PR_SET_PTRACER: c_int = 0x5961_6d61;
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_prctl, PR_SET_PTRACER, c_long::from(child), 0, 0, 0) };
}

/// The process that made this one, or whoever has taken its place since.
fn parent() -> pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::syscall(libc::SYS_getppid) as pid_t }
}

/// In the copy: die when the thread that made it dies.
fn die_with_parent() {
    // SAFETY: no memory is involved.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Whether that child has ended, and if so its wait status.
fn ended(child: pid_t) -> Option<c_int> {
    let mut status = 0;
    // SAFETY: `status` is ours.
    let found = unsafe { libc::syscall(libc::SYS_wait4, child, &raw mut status, libc::WNOHANG | libc::__WALL, 0) };
    // An error means that somebody else has waited for it.
    (found != 0).then_some(if found > 0 { status } else { libc::SIGKILL })
}

/// Ends a child that takes too long, for good.
fn end(child: pid_t) {
    // SAFETY: our own child, which nobody has waited for yet.
    unsafe {
        libc::syscall(libc::SYS_kill, child, libc::SIGKILL);
        libc::syscall(libc::SYS_wait4, child, 0, libc::__WALL, 0);
    }
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
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, from, &raw const time, 0, 0) };
}

/// Wakes whoever waits for a change of the word.
fn wake(word: &AtomicU32) {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
}

/// Closes every descriptor but the first three; the process has its own table of them.
fn close_others() {
    const SYS_CLOSE_RANGE: c_long = 436;
    // SAFETY: nothing here uses any of them.
    unsafe {
        if libc::syscall(SYS_CLOSE_RANGE, 3, u32::MAX, 0) != 0 {
            for fd in 3..1024 {
                libc::close(fd);
            }
        }
    }
}

/// Takes standard error away from whoever might write to it, and returns it by another number.
fn move_stderr() -> c_int {
    // SAFETY: only descriptors change.
    unsafe {
        let moved = libc::fcntl(libc::STDERR_FILENO, libc::F_DUPFD_CLOEXEC, 3);
        if moved < 0 {
            return libc::STDERR_FILENO;
        }
        libc::close(libc::STDERR_FILENO);
        moved
    }
}
