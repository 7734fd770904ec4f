//! Which system call raised SIGPIPE.
//!
//! The kernel raises SIGPIPE synchronously, in the thread and at the return of the failing call, and marks it as a
//! process marks a kill(2) of itself: SI_USER with the process's own pid. What tells them apart are the interrupted
//! registers. The kernel preserves all of them but rax, which has the result, and rcx and r11; so the arguments are
//! still there, and in most code the number is, too, as the operand of the instruction before `syscall`.

use libc::{c_int, c_long, c_void, siginfo_t, ucontext_t};

use super::{is_socket, is_standard_pair, pid};
use crate::platform::Broken;
use crate::state::Call;

/// Whether a SIGPIPE handler can tell what broke.
pub const TELLS_WHAT_BROKE: bool = true;

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
    let [rax, rip, rdi, rsi, rdx] =
        [libc::REG_RAX, libc::REG_RIP, libc::REG_RDI, libc::REG_RSI, libc::REG_RDX].map(|register| {
            usize::try_from(register).ok().and_then(|register| registers.get(register)).copied().unwrap_or(0)
        });
    let Some(number) = interrupted_call(rip as usize) else { return Broken::Nothing };
    // A call that was broken off after it had sent some of its data returns how much that was (kTLS, sendfile).
    if rax != -c_long::from(libc::EPIPE) && rax <= 0 {
        return Broken::Nothing;
    }
    let (call, fd) = match number {
        Number::Known(libc::SYS_write) => (Call::Write, rdi),
        Number::Known(libc::SYS_writev | libc::SYS_pwritev) => (Call::Writev, rdi),
        Number::Known(libc::SYS_pwritev2) => (Call::Pwritev2, rdi),
        Number::Known(libc::SYS_sendto) => (Call::Sendto, rdi),
        Number::Known(libc::SYS_sendmsg) => (Call::Sendmsg, rdi),
        Number::Known(libc::SYS_sendmmsg) => (Call::Sendmmsg, rdi),
        Number::Known(libc::SYS_sendfile) => (Call::Sendfile, rdi),
        Number::Known(libc::SYS_splice) => (Call::Splice, rdx),
        Number::Known(libc::SYS_tee) => (Call::Other, rsi),
        Number::Known(libc::SYS_vmsplice) => (Call::Other, rdi),
        // The descriptor that broke is in the ring. Those who use rings are servers: it was a socket.
        Number::Known(libc::SYS_io_uring_enter) => return Broken::Socket(Call::IoUringEnter, rdi as c_int),
        // What looks like a number can be another operand (`mov r8d, ...`), and no call but one on a pipe or a socket
        // returns EPIPE.
        Number::Known(_) if rax != -c_long::from(libc::EPIPE) => return Broken::Nothing,
        // splice reads from its first argument, all others write to it.
        Number::Unknown if is_read_end(rdi as c_int) => (Call::Splice, rdx),
        Number::Known(_) | Number::Unknown => (Call::Other, rdi),
    };
    let fd = fd as c_int;
    match is_socket(fd) {
        Some(false) => Broken::Other(call, fd),
        // What a shell or a supervisor gives a program as its standard streams is a pipe in all but name (ksh's
        // pipelines, sshd without a terminal, node): `while :; do echo y; done` must end there.
        Some(true) if is_standard_pair(fd) => Broken::Other(call, fd),
        // Another thread has closed it since. EPIPE is what the caller can deal with.
        Some(true) | None => Broken::Socket(call, fd),
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

fn is_read_end(fd: c_int) -> bool {
    // SAFETY: F_GETFL only looks.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags != -1 && flags & libc::O_ACCMODE == libc::O_RDONLY
}
