//! The system call that a stopped thread is in.

use processor::USER_REGISTERS;

/// A system call.
#[derive(Clone, Copy)]
pub struct Call {
    /// Its number (asm/unistd.h).
    pub number: i64,
    /// Its arguments; calls with fewer leave the last ones undefined.
    pub arguments: [u64; 6],
}

impl Call {
    /// Its name, as in its manual page.
    pub fn name(&self) -> Option<&'static str> {
        Some(syscalls::Sysno::new(usize::try_from(self.number).ok()?)?.name())
    }

    /// The first argument as a descriptor, which is an int.
    pub fn descriptor(&self) -> i64 {
        let [first, ..] = self.arguments;
        i64::from(first as u32 as i32)
    }

    /// Reads a line of /proc/PID/task/TID/syscall (proc(5)) of a thread that waits: the system call, if it is in one,
    /// and then its stack pointer and program counter. `None` if the thread runs.
    pub fn of_line(line: &str) -> Option<(Option<Self>, u64, u64)> {
        let hexadecimal = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let mut fields = line.split_whitespace();
        let number: i64 = fields.next()?.parse().ok()?;
        let rest: Vec<u64> = fields.map(hexadecimal).collect::<Option<_>>()?;
        match (number, rest.as_slice()) {
            (-1, [sp, pc]) => Some((None, *sp, *pc)),
            (number, [arguments @ .., sp, pc]) => {
                let call = Self { number, arguments: arguments.try_into().ok()? };
                Some((Some(call), *sp, *pc))
            }
            _ => None,
        }
    }
}

/// System calls that fail with EINTR when a thread is stopped while it waits in them, though there is no signal and no
/// handler (signal(7), "Interruption of system calls and library functions by stop signals"; of calls on sockets, where
/// these have a timeout of their own). They have done nothing then, so the thread can make them again. close(2) is not
/// among them: it has closed the descriptor.
#[cfg(target_arch = "x86_64")]
const CAN_START_AGAIN: [i64; 21] = [
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_io_getevents,
    libc::SYS_io_uring_enter,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
];

/// The system call that a stopped thread waits in; `None` where it waits in none. `user` has the fields of struct
/// user_regs_struct (sys/user.h) in their order, and `code` reads the program's bytes at an address.
#[cfg(target_arch = "x86_64")]
pub fn waiting(user: &[u64; USER_REGISTERS], code: impl FnOnce(u64) -> Option<[u8; 7]>) -> Option<Call> {
    // What an interrupted call returns within the kernel: ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and
    // ERESTART_RESTARTBLOCK (linux/errno.h), after which the kernel makes it again, and EINTR.
    const INTERRUPTED: [i64; 5] = [-512, -513, -514, -516, -4];
    /// The opcode of `mov eax, NUMBER`.
    const MOV_EAX: u8 = 0xb8;
    let get = |index: usize| user.get(index).copied().unwrap_or(0);
    // orig_rax and rax
    let (number, result) = (get(15).cast_signed(), get(10).cast_signed());
    if number < 0 || !INTERRUPTED.contains(&result) {
        return None;
    }
    // After an earlier interruption the kernel may have called restart_syscall(2) in the place of the call. What the
    // call was then stands in the seven bytes before the program counter: `mov eax, NUMBER; syscall`.
    let number = match code(get(16).wrapping_sub(7)) {
        Some([MOV_EAX, a, b, c, d, 0x0f, 0x05]) if number == libc::SYS_restart_syscall => {
            i64::from(i32::from_le_bytes([a, b, c, d]))
        }
        _ => number,
    };
    // rdi, rsi, rdx, r10, r8, r9
    Some(Call { number, arguments: [14, 13, 12, 7, 9, 8].map(get) })
}

/// The registers with which a thread that we have interrupted makes its call again; `None` where the kernel sees to
/// that itself, or the call can't be made again.
#[cfg(target_arch = "x86_64")]
pub fn start_again(user: &[u64; USER_REGISTERS]) -> Option<[u64; USER_REGISTERS]> {
    /// What a call returns within the kernel when it is to be made again, unless a handler runs, with which it is EINTR
    /// (linux/errno.h).
    const ERESTARTNOHAND: i64 = -514;
    const EINTR: i64 = -4;
    let mut changed = *user;
    let number = user.get(15)?.cast_signed();
    let result = changed.get_mut(10)?;
    if result.cast_signed() != EINTR || !CAN_START_AGAIN.contains(&number) {
        return None;
    }
    *result = ERESTARTNOHAND.cast_unsigned();
    Some(changed)
}

/// The system call that a stopped thread waits in; `None` where it waits in none. `user` has x0 to x30, sp and pc, and
/// `code` reads the program's bytes at an address. Where the call is going to be made again, the kernel has already set
/// pc back to the `svc #0`; else the call returns EINTR, and pc is behind that instruction.
#[cfg(target_arch = "aarch64")]
pub fn waiting(user: &[u64; USER_REGISTERS], code: impl FnOnce(u64) -> Option<[u8; 8]>) -> Option<Call> {
    const SVC: [u8; 4] = [0x01, 0x00, 0x00, 0xd4];
    let get = |index: usize| user.get(index).copied().unwrap_or(0);
    let [a, b, c, d, e, f, g, h] = code(get(32).wrapping_sub(4))?;
    let is_again = [e, f, g, h] == SVC;
    let is_interrupted = [a, b, c, d] == SVC && get(0).cast_signed() == -4;
    (is_again || is_interrupted).then(|| Call { number: get(8).cast_signed(), arguments: [0, 1, 2, 3, 4, 5].map(get) })
}

/// On arm64 the kernel has decided whether a call is made again before the tracer is told of the stop, so nothing can
/// be changed.
#[cfg(target_arch = "aarch64")]
pub fn start_again(_user: &[u64; USER_REGISTERS]) -> Option<[u64; USER_REGISTERS]> {
    None
}
