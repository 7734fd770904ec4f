//! What broke when SIGPIPE came.
//!
//! The kernel raises SIGPIPE for the thread whose call failed, and marks it as a process marks a kill(2) of itself:
//! SI_USER with the process's own pid. What tells them apart are the interrupted registers. At the return of a system
//! call the kernel preserves all of them but rax, which has the result, and rcx and r11; so the arguments are still
//! there, and in most code the number is, too, as the operand of the instruction before `syscall`.
//!
//! Only two things raise it: a FIFO or pipe whose readers are gone, and a socket. That a pipe broke can be proved: the
//! descriptor that the call wrote to is one, and poll(2) reports POLLERR on it. That a socket broke can't be: another
//! thread may have closed the descriptor since, and its number may be anything by now; the failing write may have been
//! io_uring's, which is done at the end of whatever call comes next, or between two instructions. So what is no broken
//! pipe, and nobody has sent, was a socket.

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use libc::{SIGPIPE, c_int, c_long, c_void, siginfo_t, ucontext_t};

use super::{is_pipe, is_socket, pid, stands_in_for_pipe};
use crate::platform::Broken;
use crate::state::Call;

/// Whether a SIGPIPE handler can tell what broke.
pub const TELLS_WHAT_BROKE: bool = true;

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
pub unsafe fn broken(info: *const siginfo_t, context: *const c_void) -> Broken {
    // SAFETY: as promised; SI_USER says that si_pid is valid.
    let (code, sender, registers) =
        unsafe { ((*info).si_code, (*info).si_pid(), &(*context.cast::<ucontext_t>()).uc_mcontext.gregs) };
    if code != libc::SI_USER || sender != pid() {
        return Broken::Nothing;
    }
    let register =
        |register| usize::try_from(register).ok().and_then(|index| registers.get(index)).copied().unwrap_or(0);
    let number = interrupted_call(register(libc::REG_RIP) as usize);
    let call = Interrupted {
        result: register(libc::REG_RAX),
        arguments: [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9]
            .map(register),
    };
    match number.and_then(|number| call.what_broke(number)) {
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
        None => match [libc::STDOUT_FILENO, libc::STDERR_FILENO].into_iter().find(|&fd| is_broken_pipe(fd)) {
            Some(fd) => Broken::Other(Call::Other, fd),
            // Nobody knows; a socket, then.
            None => Broken::Socket(Call::Other, -1),
        },
    }
}

/// A system call at whose return the signal came.
struct Interrupted {
    result: i64,
    arguments: [i64; 6],
}

impl Interrupted {
    /// None when the call tells nothing.
    fn what_broke(&self, number: Number) -> Option<Broken> {
        let [first, second, third, ..] = self.arguments.map(|argument| argument as c_int);
        let is_error = self.result == -c_long::from(libc::EPIPE);
        // A call that was broken off after it had sent some of its data returns how much that was (kTLS, sendfile, pipes).
        let may_have_written = is_error || self.result > 0;
        let (call, fd) = match number {
            Number::Known(libc::SYS_kill | libc::SYS_pidfd_send_signal) | Number::Unknown
                if self.result == 0 && second == SIGPIPE =>
            {
                return Some(Broken::Nothing);
            }
            _ if !may_have_written => return None,
            Number::Known(libc::SYS_write) => (Call::Write, first),
            Number::Known(libc::SYS_writev | libc::SYS_pwritev) => (Call::Writev, first),
            Number::Known(libc::SYS_pwritev2) => (Call::Pwritev2, first),
            Number::Known(libc::SYS_sendto) => (Call::Sendto, first),
            Number::Known(libc::SYS_sendmsg) => (Call::Sendmsg, first),
            Number::Known(libc::SYS_sendmmsg) => (Call::Sendmmsg, first),
            Number::Known(libc::SYS_sendfile) => (Call::Sendfile, first),
            Number::Known(libc::SYS_splice) => (Call::Splice, third),
            Number::Known(libc::SYS_tee) => (Call::Other, second),
            Number::Known(libc::SYS_vmsplice) => (Call::Other, first),
            // The descriptor that broke is in the ring.
            Number::Known(libc::SYS_io_uring_enter) => return Some(Broken::Socket(Call::IoUringEnter, first)),
            // What looks like a number can be another operand (`mov r8d, ...`), and no call but one on a pipe or a socket
            // returns EPIPE.
            Number::Known(_) if !is_error => return None,
            Number::Known(_) | Number::Unknown => self.unknown(),
        };
        if is_broken_pipe(fd) {
            return Some(Broken::Other(call, fd));
        }
        if is_error {
            // Where it was no socket, something else has the number by now.
            return Some(if stands_in_for_pipe(fd) { Broken::Other(call, fd) } else { Broken::Socket(call, fd) });
        }
        let is_sure = is_socket(fd) == Some(true) && !ASKED_FOR.load(Relaxed);
        is_sure.then_some(Broken::Socket(call, fd))
    }

    /// The descriptor that a call without a number has written to, most likely.
    fn unknown(&self) -> (Call, c_int) {
        let [first, second, third, ..] = self.arguments.map(|argument| argument as c_int);
        let [_, source_offset, _, offset, length, flags] = self.arguments;
        match () {
            // All others write to their first argument.
            () if is_broken_pipe(first) => (Call::Other, first),
            // tee and splice from a pipe.
            () if is_read_end_of_pipe(first) && is_broken_pipe(third) => (Call::Splice, third),
            () if is_read_end_of_pipe(first) => (Call::Other, second),
            // splice from a file: no offset in the pipe, a length, and no flags but its own four. With other calls these
            // registers have anything, and the third argument is a length.
            () if is_socket(first) == Some(false)
                && (source_offset == 0 || source_offset > 0xffff)
                && offset == 0
                && length > 0
                && (0..16).contains(&flags)
                && is_broken_pipe(third) =>
            {
                (Call::Splice, third)
            }
            () => (Call::Other, first),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    Known(c_long),
    /// By way of `syscall(3)` or a wrapper that keeps the number in a register.
    Unknown,
}

/// The number of the system call that ended just before `rip`; `None` when none did.
fn interrupted_call(rip: usize) -> Option<Number> {
    const MOV_EAX: u8 = 0xb8;
    let mut code = [0u8; 7];
    let start = rip.checked_sub(code.len())?;
    if start % 4096 > rip % 4096 {
        // The page before might not be mapped: let the kernel look.
        let local = libc::iovec { iov_base: code.as_mut_ptr().cast(), iov_len: code.len() };
        let remote = libc::iovec { iov_base: start as *mut c_void, iov_len: code.len() };
        // SAFETY: writes into `code` only; a remote address that can't be read is an error, not a fault.
        let read = unsafe { libc::process_vm_readv(pid(), &raw const local, 1, &raw const remote, 1, 0) };
        if read != code.len() as isize {
            return None;
        }
    } else {
        // SAFETY: the thread was about to execute at `rip`, and `start` is on the same page.
        code = unsafe { (start as *const [u8; 7]).read() };
    }
    match code {
        [MOV_EAX, a, b, c, d, 0x0f, 0x05] => Some(Number::Known(c_long::from(i32::from_le_bytes([a, b, c, d])))),
        [.., 0x0f, 0x05] => Some(Number::Unknown),
        _ => None,
    }
}

/// Whether a descriptor is a pipe's or FIFO's end to be written to, and nobody has the other end.
///
/// Its number may go from a pipe to a socket and back between our questions. But a socket that can't be written to any
/// more reports POLLHUP, which the end of a pipe that is written to never does.
fn is_broken_pipe(fd: c_int) -> bool {
    const WORST: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
    let mut end = libc::pollfd { fd, events: 0, revents: 0 };
    // SAFETY: one pollfd, ours, and a timeout of no time. Raw, since poll(2) is a cancellation point.
    let ready = unsafe { libc::syscall(libc::SYS_poll, &raw mut end, 1, 0) };
    ready == 1 && end.revents & WORST == libc::POLLERR && is_pipe(fd)
}

fn is_read_end_of_pipe(fd: c_int) -> bool {
    // SAFETY: F_GETFL only looks.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags != -1 && flags & libc::O_ACCMODE == libc::O_RDONLY && is_pipe(fd)
}
