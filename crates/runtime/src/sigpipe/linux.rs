//! What broke when SIGPIPE came.
//!
//! The kernel raises SIGPIPE for the thread whose call failed, and marks it as a process marks a kill(2) of itself:
//! SI_USER with the process's own pid. What tells them apart are the interrupted registers. At the return of a system
//! call on x86_64 the kernel preserves all of them but rax, which has the result, and rcx and r11. So the arguments are
//! still there, and the call's number can mostly be read from the instruction before `syscall`, or from where that
//! instruction or the callers have put it (`arch/x86_64/number.rs`). On arm64 the number is in a register of its own.
//! But there the result is in the register that had the first argument, mostly the descriptor: so all descriptors are
//! looked at (`platform/linux/descriptors.rs`).
//!
//! Only two things raise it: a FIFO or pipe whose readers are gone, and a socket. That a pipe broke can be proved: the
//! descriptor that the call wrote to is one, and poll(2) reports POLLERR on it. That a socket broke can't be: another
//! thread may have closed the descriptor since, and its number may be anything by now; the failing write may have been
//! io_uring's, which is done at the end of whatever call comes next, or between two instructions. So if no pipe is
//! broken and nobody has sent the signal, a socket is taken to have raised it.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libc::{SIGPIPE, c_int, c_long, c_void, siginfo_t};

use super::Broken;
use crate::arch::Interrupted;
use crate::platform::{self, is_own_process};
use crate::state::Call;

/// Inode of the socket that each standard stream was at load; 0 where it was none. The constructor sets them before it
/// installs the guard handler, which reads them.
static STANDARD_STREAMS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Notes the standard streams that are sockets, for [`is_standard_pair`]. For the constructor.
pub fn start() {
    for (fd, noted) in (0..).zip(&STANDARD_STREAMS) {
        if let Some(stat) = platform::stat_of(fd).filter(platform::is_stat_of_socket) {
            noted.store(stat.st_ino, Relaxed);
        }
    }
}

/// In the lower 32 bits: how many SIGPIPEs the program has sent itself by kill(2) since none was on its way. The upper
/// ones count how often that number has gone back to 0, so that [`Asked::was_not_sent`] takes back nothing but what it
/// has noted. Relaxed: it stands for nothing else in memory.
///
/// It is this process's. A child that shares our memory neither changes it nor heeds it.
static ASKED_FOR: AtomicU64 = AtomicU64::new(0);

/// [`ASKED_FOR`] when none is on its way any more, by its value now; `None` if that is so already.
fn without_asked(value: u64) -> Option<u64> {
    (value as u32 != 0).then(|| (value >> 32).wrapping_add(1) << 32)
}

/// A SIGPIPE that the program is about to send itself.
pub struct Asked {
    noted: u64,
}

/// Notes that the program sends itself a SIGPIPE whose siginfo looks like the kernel's own. Another thread may get it,
/// or this one later, when it has unblocked the signal: then the interrupted registers do not tell that somebody has
/// sent it.
pub fn ask_for_sigpipe() -> Asked {
    Asked { noted: ASKED_FOR.fetch_add(1, Relaxed) }
}

impl Asked {
    /// Takes that back. One that was sent before may still be pending.
    pub fn was_not_sent(self) {
        let is_noted = |value: u64| value >> 32 == self.noted >> 32 && value as u32 != 0;
        let _ = ASKED_FOR.fetch_update(Relaxed, Relaxed, |value| is_noted(value).then(|| value - 1));
    }
}

/// Notes that no such SIGPIPE is on its way: it has come, was discarded, or this is a child by fork(2), which has no
/// pending signals (signal(7)).
pub fn forget_asked_sigpipe() {
    let _ = ASKED_FOR.fetch_update(Relaxed, Relaxed, without_asked);
}

/// Whether one may be on its way.
fn is_asked_for() -> bool {
    ASKED_FOR.load(Relaxed) as u32 != 0 && is_own_process()
}

/// Whether a SIGPIPE that has come may be one that was noted. Then none is noted any more.
fn take_asked() -> bool {
    is_asked_for() && ASKED_FOR.fetch_update(Relaxed, Relaxed, without_asked).is_ok()
}

/// To be called when the program has taken a SIGPIPE by sigwait(3) or its like, so that it does not come. The kernel
/// hands out a thread's own signals first. So if there is another one still, it may be the one that was noted.
#[cold]
pub fn sigpipe_was_taken() {
    platform::keeping_errno(|| {
        let is_pending = || !platform::is_filtered() && platform::pending_signals() & 1 << (SIGPIPE - 1) != 0;
        if is_asked_for() && !is_pending() {
            forget_asked_sigpipe();
        }
    });
}

/// Tells what broke when SIGPIPE came.
///
/// # Safety
/// The pointers are those that the kernel gave to a handler with SA_SIGINFO.
#[inline(never)]
pub unsafe fn broken(info: *const siginfo_t, context: *const c_void) -> Broken {
    // SAFETY: the caller promises the kernel's siginfo. Without SI_USER `si_pid` may be another member of the union, an
    // integer all the same, which is not looked at then.
    let (code, sender) = unsafe { ((*info).si_code, (*info).si_pid()) };
    if code != libc::SI_USER || sender != platform::pid() {
        return Broken::Nothing;
    }
    // SAFETY: the caller promises the kernel's context.
    let call = unsafe { platform::interrupted_call(context) };
    match call.and_then(|call| what_broke(&call)) {
        Some(found) => {
            if found == Broken::Nothing {
                // The registers show the kill(2) itself, so this is the signal that was noted.
                take_asked();
            }
            found
        }
        None if take_asked() => Broken::Nothing,
        // A signal that was blocked while the call failed comes when it is unblocked, and then only the descriptors can
        // tell: programs that block all signals, such as script(1), write to standard streams.
        None => match [libc::STDOUT_FILENO, libc::STDERR_FILENO].into_iter().find(|&fd| platform::is_broken_pipe(fd)) {
            Some(fd) => Broken::Other(Call::Other, fd),
            // Nothing tells it. If it was a socket, the program must live.
            None => Broken::Socket(Call::Other, -1),
        },
    }
}

/// What the interrupted system call has found broken; `None` when the call does not tell.
#[inline(never)]
fn what_broke(call: &Interrupted) -> Option<Broken> {
    let [first, second, third, ..] = call.arguments.map(|argument| argument.map(|argument| argument as c_int));
    let is_error = call.result == -c_long::from(libc::EPIPE);
    // A call that has sent a part of its data before the connection broke returns that part's length (kTLS, sendfile,
    // pipes), and the signal comes all the same.
    let may_have_written = is_error || call.result > 0;
    let (name, fd) = match call.number {
        Some(libc::SYS_kill | libc::SYS_pidfd_send_signal) | None if call.result == 0 && second == Some(SIGPIPE) => {
            return Some(Broken::Nothing);
        }
        _ if !may_have_written => return None,
        Some(libc::SYS_write) => (Call::Write, first),
        Some(libc::SYS_writev | libc::SYS_pwritev) => (Call::Writev, first),
        Some(libc::SYS_pwritev2) => (Call::Pwritev2, first),
        // These fail with ENOTSOCK for a pipe. So after EPIPE it was a socket, even where the descriptor is not known
        // (arm64).
        Some(libc::SYS_sendto) if is_error && first.is_none() => return Some(Broken::Socket(Call::Sendto, -1)),
        Some(libc::SYS_sendmsg) if is_error && first.is_none() => return Some(Broken::Socket(Call::Sendmsg, -1)),
        Some(libc::SYS_sendmmsg) if is_error && first.is_none() => return Some(Broken::Socket(Call::Sendmmsg, -1)),
        Some(libc::SYS_sendto) => (Call::Sendto, first),
        Some(libc::SYS_sendmsg) => (Call::Sendmsg, first),
        Some(libc::SYS_sendmmsg) => (Call::Sendmmsg, first),
        Some(libc::SYS_sendfile) => (Call::Sendfile, first),
        Some(libc::SYS_splice) => (Call::Splice, third),
        Some(libc::SYS_tee) => (Call::Other, second),
        Some(libc::SYS_vmsplice) => (Call::Other, first),
        // The ring's entries have the descriptors of sockets, the call has only the ring's own.
        Some(libc::SYS_io_uring_enter) => return Some(Broken::Socket(Call::IoUringEnter, first.unwrap_or(-1))),
        // What looks like a number can be another operand (`mov r8d, ...`), and no call but one on a pipe or a socket
        // returns EPIPE.
        Some(_) if !is_error => return None,
        Some(_) | None => unknown(call),
    };
    let Some(fd) = fd else { return by_all_descriptors(name, is_error) };
    if platform::is_broken_pipe(fd) {
        return Some(Broken::Other(name, fd));
    }
    if is_error {
        // If the descriptor is no socket now, the one that broke was closed since, and its number was used again.
        return Some(if stands_in_for_pipe(fd) { Broken::Other(name, fd) } else { Broken::Socket(name, fd) });
    }
    // The call has succeeded in part, so the signal may also be one that the program has sent itself.
    let is_sure = platform::is_socket(fd) == Some(true) && !is_asked_for();
    is_sure.then_some(Broken::Socket(name, fd))
}

/// For a system call whose number is not known: the descriptor that it has written to, most likely, by its arguments.
fn unknown(call: &Interrupted) -> (Call, Option<c_int>) {
    let [Some(first), Some(second), Some(third), ..] = call.arguments.map(|argument| argument.map(|it| it as c_int))
    else {
        return (Call::Other, None);
    };
    let [_, source_offset, _, offset, length, flags] = call.arguments.map(Option::unwrap_or_default);
    match () {
        // Calls other than tee and splice write to their first argument.
        () if platform::is_broken_pipe(first) => (Call::Other, Some(first)),
        // The first argument of tee and splice is what is read from; tee's second and splice's third are written to.
        () if platform::is_read_end_of_pipe(first) && platform::is_broken_pipe(third) => (Call::Splice, Some(third)),
        () if platform::is_read_end_of_pipe(first) => (Call::Other, Some(second)),
        // splice from a file: a null pointer or an address as first offset, no offset for the pipe, a length, and no
        // flags but splice's four. After other calls the third argument is a length, and those behind it are
        // accidental.
        () if platform::is_socket(first) == Some(false)
            && (source_offset == 0 || source_offset > 0xffff)
            && offset == 0
            && length > 0
            && (0..16).contains(&flags)
            && platform::is_broken_pipe(third) =>
        {
            (Call::Splice, Some(third))
        }
        () => (Call::Other, Some(first)),
    }
}

/// What broke where the result has overwritten the descriptor's register (arm64). If a pipe of the process is broken
/// and no socket is, it was the pipe. If sockets are broken and no pipe is, it was a socket. If both are, that can't be
/// told, and the program lives.
#[cold]
#[inline(never)]
fn by_all_descriptors(name: Call, is_error: bool) -> Option<Broken> {
    let found = platform::broken_descriptors();
    match (found.pipe, found.socket) {
        (Some(pipe), None) => Some(Broken::Other(name, pipe)),
        (None, Some(socket)) if found.sockets == 1 => {
            Some(if stands_in_for_pipe(socket) { Broken::Other(name, socket) } else { Broken::Socket(name, socket) })
        }
        _ if is_error => Some(Broken::Socket(name, -1)),
        _ => None,
    }
}

/// Whether a descriptor is a socket that is used as a pipe: a program that writes to it expects to die of SIGPIPE.
///
/// Two kinds are known. ksh93 makes its pipelines of socket pairs, which it makes one-way by shutdown(2) and by a mode
/// that no other socket has. And sshd (without a terminal) or node give programs socket pairs as their standard
/// streams, where `while :; do echo y; done` must end when the reader is gone.
fn stands_in_for_pipe(fd: c_int) -> bool {
    const ONLY_TO_BE_WRITTEN: libc::mode_t = libc::S_IFSOCK | libc::S_IWUSR;
    platform::stat_of(fd).is_some_and(|stat| stat.st_mode == ONLY_TO_BE_WRITTEN) || is_standard_pair(fd)
}

/// Whether a descriptor is a standard stream that the program was executed with, and one end of a socketpair(2). (A
/// server that has closed its standard streams may have any socket there.)
fn is_standard_pair(fd: c_int) -> bool {
    let noted = usize::try_from(fd).ok().and_then(|fd| STANDARD_STREAMS.get(fd)).map_or(0, |noted| noted.load(Relaxed));
    noted != 0 && platform::stat_of(fd).is_some_and(|stat| stat.st_ino == noted) && platform::is_unnamed_pair(fd)
}
