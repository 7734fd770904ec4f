//! What broke when SIGPIPE came.
//!
//! The kernel raises SIGPIPE for the thread whose call failed, and marks it as a process marks a kill(2) of itself:
//! SI_USER with the process's own pid. What tells them apart are the interrupted registers. At the return of a system
//! call the kernel preserves all of them but rax, which has the result, and rcx and r11; so the arguments are still
//! there, and in most code the number is, too, as the operand of the instruction before `syscall`, or where that instruction
//! or those of the callers have put it (`arch/x86_64/number.rs`). On arm64 the number is in
//! a register of its own, and the result where the first argument was, which mostly is the descriptor: there all descriptors
//! are asked (`platform/linux/descriptors.rs`).
//!
//! Only two things raise it: a FIFO or pipe whose readers are gone, and a socket. That a pipe broke can be proved: the
//! descriptor that the call wrote to is one, and poll(2) reports POLLERR on it. That a socket broke can't be: another
//! thread may have closed the descriptor since, and its number may be anything by now; the failing write may have been
//! io_uring's, which is done at the end of whatever call comes next, or between two instructions. So what is no broken
//! pipe, and nobody has sent, was a socket.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use libc::{SIGPIPE, c_int, c_long, c_void, siginfo_t};

use super::Broken;
use crate::arch::Interrupted;
use crate::platform;
use crate::state::Call;

/// Inode of the socket that each standard stream was at load; 0 where it was none.
static STANDARD_STREAMS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Notes the standard streams that are sockets, for [`is_standard_pair`]. For the constructor.
pub fn start() {
    for (fd, noted) in (0..).zip(&STANDARD_STREAMS) {
        if let Some(stat) = platform::stat_of(fd).filter(platform::is_stat_of_socket) {
            noted.store(stat.st_ino, Relaxed);
        }
    }
}

/// Whether the program has sent itself a SIGPIPE by kill(3) that has not come yet.
static ASKED_FOR: AtomicBool = AtomicBool::new(false);

/// Notes that the program sends itself a SIGPIPE in a way that the signal does not tell. Another thread may get it, or this
/// one later, when it no longer blocks it: wherever that is, the registers there say nothing.
pub fn ask_for_sigpipe() {
    ASKED_FOR.store(true, Relaxed);
}

/// Tells what broke when SIGPIPE came.
///
/// # Safety
/// The pointers are those that the kernel gave to a handler with SA_SIGINFO.
#[inline(never)]
pub unsafe fn broken(info: *const siginfo_t, context: *const c_void) -> Broken {
    // SAFETY: the caller promises the kernel's siginfo; SI_USER says that si_pid is valid.
    let (code, sender) = unsafe { ((*info).si_code, (*info).si_pid()) };
    if code != libc::SI_USER || sender != platform::pid() {
        return Broken::Nothing;
    }
    // SAFETY: the caller promises the kernel's context.
    let call = unsafe { platform::interrupted_call(context) };
    match call.and_then(|call| what_broke(&call)) {
        Some(found) => {
            if found == Broken::Nothing {
                // This is what kill(3) has noted.
                ASKED_FOR.store(false, Relaxed);
            }
            found
        }
        None if ASKED_FOR.swap(false, Relaxed) => Broken::Nothing,
        // A signal that was blocked while the call failed comes when it is unblocked, and then only the descriptors can tell:
        // programs that block all signals, such as script(1), write to standard streams.
        None => match [libc::STDOUT_FILENO, libc::STDERR_FILENO].into_iter().find(|&fd| platform::is_broken_pipe(fd)) {
            Some(fd) => Broken::Other(Call::Other, fd),
            // Nobody knows; a socket, then.
            None => Broken::Socket(Call::Other, -1),
        },
    }
}

/// What the interrupted system call has broken; `None` when it tells nothing.
#[inline(never)]
fn what_broke(call: &Interrupted) -> Option<Broken> {
    let [first, second, third, ..] = call.arguments.map(|argument| argument.map(|argument| argument as c_int));
    let is_error = call.result == -c_long::from(libc::EPIPE);
    // A call that was broken off after it had sent some of its data returns how much that was (kTLS, sendfile, pipes).
    let may_have_written = is_error || call.result > 0;
    let (name, fd) = match call.number {
        Some(libc::SYS_kill | libc::SYS_pidfd_send_signal) | None if call.result == 0 && second == Some(SIGPIPE) => {
            return Some(Broken::Nothing);
        }
        _ if !may_have_written => return None,
        Some(libc::SYS_write) => (Call::Write, first),
        Some(libc::SYS_writev | libc::SYS_pwritev) => (Call::Writev, first),
        Some(libc::SYS_pwritev2) => (Call::Pwritev2, first),
        // A pipe is no socket: these end otherwise there.
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
        // The descriptor that broke is in the ring.
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
        // Where it was no socket, something else has the number by now.
        return Some(if stands_in_for_pipe(fd) { Broken::Other(name, fd) } else { Broken::Socket(name, fd) });
    }
    let is_sure = platform::is_socket(fd) == Some(true) && !ASKED_FOR.load(Relaxed);
    is_sure.then_some(Broken::Socket(name, fd))
}

/// The descriptor that a call without a number has written to, most likely.
fn unknown(call: &Interrupted) -> (Call, Option<c_int>) {
    let [Some(first), Some(second), Some(third), ..] = call.arguments.map(|argument| argument.map(|it| it as c_int))
    else {
        return (Call::Other, None);
    };
    let [_, source_offset, _, offset, length, flags] = call.arguments.map(Option::unwrap_or_default);
    match () {
        // All others write to their first argument.
        () if platform::is_broken_pipe(first) => (Call::Other, Some(first)),
        // tee and splice from a pipe.
        () if platform::is_read_end_of_pipe(first) && platform::is_broken_pipe(third) => (Call::Splice, Some(third)),
        () if platform::is_read_end_of_pipe(first) => (Call::Other, Some(second)),
        // splice from a file: no offset in the pipe, a length, and no flags but its own four. With other calls these
        // registers have anything, and the third argument is a length.
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

/// What broke where the descriptor is lost, since the result is in the register that it was in: a pipe, if one of the process's
/// is broken and none of its sockets is; a socket, if no pipe is. Where both are, nobody can tell, and the program lives.
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

/// Whether a descriptor is a socket that stands in for a pipe: a program that writes to it expects what a pipe does.
///
/// ksh93 makes its pipelines of socket pairs, and one-way by shutdown(2) and by a mode that no other socket has. And what a
/// shell or a supervisor gives a program as its standard streams (sshd without a terminal, node): `while :; do echo y; done`
/// must end there.
fn stands_in_for_pipe(fd: c_int) -> bool {
    const ONLY_TO_BE_WRITTEN: libc::mode_t = libc::S_IFSOCK | libc::S_IWUSR;
    platform::stat_of(fd).is_some_and(|stat| stat.st_mode == ONLY_TO_BE_WRITTEN) || is_standard_pair(fd)
}

/// Whether a descriptor is a standard stream that the program was executed with, and one end of a socketpair(2). (A server that has
/// closed its standard streams may have any socket there.)
fn is_standard_pair(fd: c_int) -> bool {
    let noted = usize::try_from(fd).ok().and_then(|fd| STANDARD_STREAMS.get(fd)).map_or(0, |noted| noted.load(Relaxed));
    noted != 0 && platform::stat_of(fd).is_some_and(|stat| stat.st_ino == noted) && platform::is_unnamed_pair(fd)
}
