//! System calls of ours that a seccomp filter would end the process for.
//!
//! The program has to die of its own crash, not of a report's system calls. So a call that a filter would kill for is not made, but fails
//! with ENOSYS, with which all callers can deal. Which calls those are: a filter that the program installs by libc's functions is
//! executed here for each of our calls; for filters that the process was started with (a container's, systemd's), a child tries the
//! calls at the crash.

use core::mem::size_of;
use core::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

use libc::{c_int, c_long, sock_filter, sock_fprog};

use crate::arch;

/// A bit for each number of a system call.
type Calls = [AtomicU32; 16];

/// The calls that are not made. `own_call` and its like look here.
pub(super) static FORBIDDEN: Calls = [const { AtomicU32::new(0) }; 16];
/// What is known of a filter that the process was started with: one of the following.
static AT_START: AtomicU32 = AtomicU32::new(KNOWN);
/// There is none, or [`FORBIDDEN`] has what it kills for.
const KNOWN: u32 = 0;
/// Nothing yet.
const UNKNOWN: u32 = 1;
/// A thread is finding it out.
const TRYING: u32 = 2;

/// No process and no thread has that id.
const NOBODY: i32 = 0x7fff_ffff;
/// No descriptor and no timer has that number.
const NONE: i32 = -1;

/// Every system call that a report may make, with arguments with which it does nothing, but which a filter can't tell from the report's.
/// The first one keeps the child that tries them from leaving a core file when it is killed.
const CALLS: [(c_long, [i32; 4]); 68] = [
    (libc::SYS_prlimit64, [0, libc::RLIMIT_CORE as i32, 0, 0]),
    (libc::SYS_clone, [libc::CLONE_CHILD_SETTID | libc::CLONE_UNTRACED | libc::CLONE_SIGHAND, 0, 0, 0]),
    (libc::SYS_wait4, [NOBODY, 0, libc::WNOHANG | libc::__WALL, 0]),
    (libc::SYS_getpid, [0; 4]),
    (libc::SYS_gettid, [0; 4]),
    (libc::SYS_getppid, [0; 4]),
    (libc::SYS_uname, [0; 4]),
    (libc::SYS_getuid, [0; 4]),
    (libc::SYS_geteuid, [0; 4]),
    (libc::SYS_getgid, [0; 4]),
    (libc::SYS_getegid, [0; 4]),
    (libc::SYS_rt_sigaction, [0, 0, 0, 8]),
    (libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK, 0, 0, 8]),
    (libc::SYS_rt_sigpending, [0, 0, 0, 0]),
    (libc::SYS_rt_tgsigqueueinfo, [NOBODY, NOBODY, 0, 0]),
    (libc::SYS_rt_sigqueueinfo, [NOBODY, 0, 0, 0]),
    (libc::SYS_tgkill, [NOBODY, NOBODY, 0, 0]),
    (libc::SYS_kill, [NOBODY, 0, 0, 0]),
    (libc::SYS_sigaltstack, [0; 4]),
    (libc::SYS_futex, [0, 1, 0, 0]),
    (libc::SYS_nanosleep, [0; 4]),
    (libc::SYS_clock_gettime, [libc::CLOCK_MONOTONIC, 0, 0, 0]),
    (libc::SYS_timer_create, [NONE, 0, 0, 0]),
    (libc::SYS_timer_settime, [NONE, 0, 0, 0]),
    (libc::SYS_timer_delete, [NONE, 0, 0, 0]),
    (libc::SYS_sched_yield, [0; 4]),
    (libc::SYS_sched_setscheduler, [NOBODY, 0, 0, 0]),
    (libc::SYS_prctl, [libc::PR_GET_NAME, 0, 0, 0]),
    (libc::SYS_prctl, [libc::PR_SET_PDEATHSIG, 0, 0, 0]),
    (libc::SYS_prctl, [libc::PR_GET_DUMPABLE, 0, 0, 0]),
    (arch::THREAD_POINTER, [0x1003, 0, 0, 0]), // ARCH_GET_FS
    (libc::SYS_mmap, [0, 0, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS]),
    (libc::SYS_munmap, [1, 0, 0, 0]),
    (libc::SYS_mprotect, [1, 0, libc::PROT_READ | libc::PROT_WRITE, 0]),
    (libc::SYS_madvise, [1, 0, 0, 0]),
    (libc::SYS_mincore, [1, 0, 0, 0]),
    (libc::SYS_process_vm_readv, [NOBODY, 0, 0, 0]),
    (libc::SYS_ptrace, [libc::PTRACE_SEIZE as i32, NOBODY, 0, 0]),
    (libc::SYS_kcmp, [NOBODY, NOBODY, 0, 0]),
    (arch::OPEN, [0; 4]),
    (libc::SYS_openat, [libc::AT_FDCWD, 0, 0, 0]),
    (libc::SYS_read, [NONE, 0, 0, 0]),
    (libc::SYS_write, [libc::STDERR_FILENO, 1, 1, 0]),
    (libc::SYS_writev, [NONE, 0, 0, 0]),
    (libc::SYS_close, [NONE, 0, 0, 0]),
    (libc::SYS_close_range, [2, 1, 0, 0]),
    (libc::SYS_pipe2, [0; 4]),
    (arch::POLL, [0; 4]),
    (libc::SYS_fcntl, [NONE, libc::F_GETFL, 0, 0]),
    (libc::SYS_fcntl, [NONE, libc::F_DUPFD_CLOEXEC, 3, 0]),
    (arch::STAT, [0; 4]),
    (libc::SYS_fstat, [NONE, 0, 0, 0]),
    (libc::SYS_statx, [NONE, 0, 0, 0]),
    (libc::SYS_lseek, [NONE, 0, 0, 0]),
    (arch::READLINK, [0; 4]),
    (libc::SYS_getdents64, [NONE, 0, 0, 0]),
    (libc::SYS_flock, [NONE, libc::LOCK_EX | libc::LOCK_NB, 0, 0]),
    (libc::SYS_faccessat, [NONE, 0, 0, 0]),
    (libc::SYS_renameat, [NONE, 0, NONE, 0]),
    (libc::SYS_unlinkat, [NONE, 0, 0, 0]),
    (libc::SYS_ftruncate, [NONE, 0, 0, 0]),
    (libc::SYS_socket, [libc::AF_UNIX, NONE, 0, 0]),
    (libc::SYS_connect, [NONE, 0, 0, 0]),
    (libc::SYS_sendto, [NONE, 0, 0, 0]),
    (libc::SYS_getsockname, [NONE, 0, 0, 0]),
    (libc::SYS_getsockopt, [NONE, 0, 0, 0]),
    (libc::SYS_rt_sigtimedwait, [0, 0, 0, 0]),
    (libc::SYS_exit_group, [0; 4]),
];

/// Calls without which there is no report, nor the usual way to die.
const NEEDED: [c_long; 5] =
    [libc::SYS_getpid, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_mmap, libc::SYS_futex];

/// Stands for fcntl(2) with F_DUPFD_CLOEXEC, which is forbidden more often than the rest of it. No system call has this number.
pub const DUPLICATION: c_long = 511;

fn forbid(number: c_long, arguments: &[i32; 4]) {
    let is_duplication = number == libc::SYS_fcntl && arguments.get(1) == Some(&libc::F_DUPFD_CLOEXEC);
    let number = if is_duplication { DUPLICATION } else { number };
    if let Some(word) = FORBIDDEN.get(number as usize / 32) {
        word.fetch_or(1 << (number % 32), Relaxed);
    }
}

/// Whether a call would be the process's end.
pub fn is_forbidden(number: c_long) -> bool {
    FORBIDDEN.get(number as usize / 32).is_some_and(|word| word.load(Relaxed) & 1 << (number % 32) != 0)
}

/// Whether so much is forbidden that there can be no report, and the process has to die without a system call.
pub fn forbids_reports() -> bool {
    NEEDED.iter().any(|&number| is_forbidden(number)) || is_forbidden(libc::SYS_gettid) && super::tid() <= 0
}

/// Finds out whether the process was started with a filter. For the constructor.
pub fn learn_filter() {
    // SAFETY: no memory is involved.
    let mode = unsafe { arch::system_call(libc::SYS_prctl, [libc::PR_GET_SECCOMP.into(), 0, 0, 0, 0, 0]) };
    let is_filtered = mode == c_long::from(libc::SECCOMP_MODE_FILTER);
    AT_START.store(if is_filtered { UNKNOWN } else { KNOWN }, Relaxed);
}

/// Whether the process was started with a filter of which nothing is known yet.
pub(super) fn is_started_filtered() -> bool {
    AT_START.load(Relaxed) != KNOWN
}

/// Finds out which calls a filter forbids that the program has installed; null for the strict mode.
pub(super) fn examine(program: *const sock_fprog) {
    /// What the strict mode allows besides _exit(2) (seccomp(2)).
    const STRICT: [c_long; 3] = [libc::SYS_read, libc::SYS_write, libc::SYS_rt_sigreturn];
    // SAFETY: null, or what the kernel has just read and taken for a filter.
    let filter = unsafe {
        match program.as_ref() {
            Some(program) if !program.filter.is_null() => {
                core::slice::from_raw_parts(program.filter, usize::from(program.len))
            }
            _ => &[],
        }
    };
    for (number, arguments) in &CALLS {
        let action = if program.is_null() {
            if STRICT.contains(number) { libc::SECCOMP_RET_ALLOW } else { libc::SECCOMP_RET_KILL_PROCESS }
        } else {
            answer(filter, *number, arguments)
        };
        match action & libc::SECCOMP_RET_ACTION_FULL {
            // USER_NOTIF asks a supervisor, which may never answer. Not TRAP: that is a SIGSYS, which our handler makes a failure of.
            libc::SECCOMP_RET_KILL_PROCESS | libc::SECCOMP_RET_KILL_THREAD | libc::SECCOMP_RET_USER_NOTIF => {
                forbid(*number, arguments);
            }
            _ => {}
        }
    }
}

/// What a filter answers to a call of our own code: executes classic BPF as the kernel does for seccomp(2)
/// (Documentation/networking/filter.rst; kernel/seccomp.c, seccomp_check_filter), whose jumps all lead forwards.
fn answer(filter: &[sock_filter], number: c_long, arguments: &[i32; 4]) -> u32 {
    use libc::{
        BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_AND, BPF_DIV, BPF_IMM, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET,
        BPF_LD, BPF_LDX, BPF_LSH, BPF_MEM, BPF_MUL, BPF_NEG, BPF_OR, BPF_RET, BPF_RSH, BPF_ST, BPF_STX, BPF_SUB,
        BPF_TAX, BPF_X, BPF_XOR,
    };
    /// Size of struct seccomp_data in bytes.
    const SIZE: u32 = 64;
    // Bits of an instruction's code (linux/bpf_common.h): its class, the mode of a load, the operation, where the operand is, and
    // where a returned value is.
    const CLASS: u32 = 0x07;
    const MODE: u32 = 0xe0;
    const OPERATION: u32 = 0xf0;
    const SOURCE: u32 = 0x08;
    const RETURN_VALUE: u32 = 0x18;
    let own_code = examine as *const () as u64;
    // struct seccomp_data: the number, the processor, the instruction pointer, the arguments.
    let mut data = [0u32; SIZE as usize / 4];
    let halves = |long: u64| [long as u32, (long >> 32) as u32];
    let arguments = arguments.iter().map(|&argument| i64::from(argument).cast_unsigned());
    let rest = core::iter::once(own_code).chain(arguments).flat_map(halves);
    for (to, from) in data.iter_mut().zip([number as u32, arch::AUDIT_ARCH].into_iter().chain(rest)) {
        *to = from;
    }
    let (mut a, mut x, mut memory) = (0u32, 0u32, [0u32; 16]);
    let mut at = 0;
    while let Some(&sock_filter { code, jt, jf, k }) = filter.get(at) {
        let code = u32::from(code);
        at += 1;
        let load = |memory: &[u32; 16]| match code & MODE {
            BPF_IMM => k,
            BPF_ABS => data.get(k as usize / 4).copied().unwrap_or(0),
            BPF_MEM => memory.get(k as usize).copied().unwrap_or(0),
            // BPF_LEN
            _ => SIZE,
        };
        let operand = if code & SOURCE == BPF_X { x } else { k };
        match code & CLASS {
            BPF_LD => a = load(&memory),
            BPF_LDX => x = load(&memory),
            class @ (BPF_ST | BPF_STX) => {
                if let Some(slot) = memory.get_mut(k as usize) {
                    *slot = if class == BPF_ST { a } else { x };
                }
            }
            BPF_ALU => {
                a = match code & OPERATION {
                    BPF_ADD => a.wrapping_add(operand),
                    BPF_SUB => a.wrapping_sub(operand),
                    BPF_MUL => a.wrapping_mul(operand),
                    // A division by zero ends the filter, which returns 0 (net/core/filter.c, bpf_convert_filter).
                    BPF_DIV if operand == 0 => return libc::SECCOMP_RET_KILL_THREAD,
                    BPF_DIV => a / operand,
                    BPF_OR => a | operand,
                    BPF_AND => a & operand,
                    BPF_LSH => a.wrapping_shl(operand),
                    BPF_RSH => a.wrapping_shr(operand),
                    BPF_XOR => a ^ operand,
                    BPF_NEG => a.wrapping_neg(),
                    _ => a,
                }
            }
            BPF_JMP => {
                let is_so = match code & OPERATION {
                    BPF_JEQ => a == operand,
                    BPF_JGT => a > operand,
                    BPF_JGE => a >= operand,
                    BPF_JSET => a & operand != 0,
                    // BPF_JA
                    _ => {
                        at = at.saturating_add(k as usize);
                        continue;
                    }
                };
                at += usize::from(if is_so { jt } else { jf });
            }
            BPF_RET => return if code & RETURN_VALUE == BPF_A { a } else { k },
            // BPF_MISC
            _ if code & !CLASS == BPF_TAX => x = a,
            _ => a = x,
        }
    }
    libc::SECCOMP_RET_ALLOW
}

/// Before anything else of a report: finds out what is forbidden, if that is not known yet. Threads that crash at the same time wait for
/// the one that does.
#[inline(never)]
pub fn learn_forbidden() {
    /// How often sched_yield(2) is called, at most: some tenths of a second if nothing else runs, where the trials take some hundredths. The
    /// thread that is waited for may have ended; then this one tries.
    const MOST: u32 = 1_000_000;
    for _ in 0..MOST {
        match AT_START.load(Acquire) {
            KNOWN => return,
            TRYING => super::yield_now(),
            // A filter that the program has installed since may kill for trying.
            _ if is_forbidden(libc::SYS_clone) || is_forbidden(libc::SYS_wait4) => return,
            _ if AT_START.compare_exchange(UNKNOWN, TRYING, AcqRel, Relaxed).is_ok() => break,
            _ => {}
        }
    }
    try_out();
    AT_START.store(KNOWN, Release);
}

/// Whether a thread that has crashed is finding out what is forbidden: it will report as soon as it knows.
pub fn is_learning_forbidden() -> bool {
    AT_START.load(Acquire) == TRYING
}

/// In a forked child: the thread that was finding out is not here.
pub fn forget_trial() {
    if AT_START.load(Relaxed) == TRYING {
        AT_START.store(UNKNOWN, Relaxed);
    }
}

/// From which entry of [`CALLS`] on a child tries them, and at which it is.
#[repr(C, align(16))]
struct Trial {
    from: usize,
    at: usize,
}

/// Has children try every call, one child after the other, since each may be killed for one of them.
fn try_out() {
    /// Room for what a child needs; nothing that it calls needs much.
    #[repr(C, align(16))]
    struct Room {
        stack: [u64; 120],
        trial: Trial,
    }
    let mut room = Room { stack: [0; 120], trial: Trial { from: 0, at: 0 } };
    let top = (&raw mut room.trial).cast::<u8>();
    // The child has our memory and our signal handlers, none of which must run there. With all signals blocked, a trapped call kills it.
    let before = super::block(u64::MAX);
    while room.trial.from < CALLS.len() {
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_UNTRACED | libc::CLONE_FILES | libc::CLONE_FS;
        // SAFETY: the stack is the room's, and we wait until the child has gone.
        let child = unsafe {
            let nobody = core::ptr::null_mut();
            arch::clone_and_run(flags.into(), top, nobody, nobody, try_calls)
        };
        if child < 0 {
            break;
        }
        let status = ended(child);
        // SAFETY: the child has gone.
        let at = unsafe { (&raw const room.trial.at).read_volatile() };
        let Some((number, arguments)) =
            CALLS.get(at).filter(|_| libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSYS)
        else {
            break;
        };
        forbid(*number, arguments);
        room.trial.from = at + 1;
    }
    super::block(before);
    core::hint::black_box(&room.stack);
}

/// The wait status of a child that is about to end: clone(2) with CLONE_VFORK has returned.
fn ended(child: libc::pid_t) -> c_int {
    /// How often wait4(2) is called, at most.
    const MOST: u32 = 100_000;
    let mut status = 0;
    for _ in 0..MOST {
        // SAFETY: `status` is ours.
        unsafe {
            let options = libc::WNOHANG | libc::__WALL;
            let status_at = (&raw mut status).addr() as c_long;
            if arch::system_call(libc::SYS_wait4, [child.into(), status_at, options.into(), 0, 0, 0]) != 0 {
                break;
            }
            arch::system_call(libc::SYS_sched_yield, [0; 6]);
        }
    }
    status
}

/// The first function of such a child. `top` is the upper end of its stack, where the [`Trial`] is.
unsafe extern "C" fn try_calls(top: *const u8) -> ! {
    let trial = top.cast::<Trial>().cast_mut();
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `try_out` waits until this child has ended (CLONE_VFORK), so that the trial is there and nobody else uses it. With the
    // arguments of the table, the calls do nothing.
    unsafe {
        for (index, (number, [a, b, c, d])) in CALLS.iter().enumerate().skip((*trial).from) {
            (&raw mut (*trial).at).write_volatile(index);
            let c = if index == 0 { (&raw const none).addr() as c_long } else { c_long::from(*c) };
            arch::system_call(*number, [c_long::from(*a), c_long::from(*b), c, c_long::from(*d), -1, 0]);
        }
    }
    super::exit_now(0);
}

const _: () = assert!(size_of::<sock_filter>() == 8); // signal-safe: at compile time
