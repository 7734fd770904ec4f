//! What signals and their codes mean.

use libc::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

/// Name and meaning of a crash signal.
pub fn signal(number: i32) -> (&'static str, &'static str) {
    match number {
        SIGILL => ("SIGILL", "illegal instruction"),
        SIGTRAP => ("SIGTRAP", "trap"),
        SIGABRT => ("SIGABRT", "aborted"),
        SIGBUS => ("SIGBUS", "bus error"),
        SIGFPE => ("SIGFPE", "arithmetic error"),
        SIGSEGV => ("SIGSEGV", "segmentation fault"),
        SIGSYS => ("SIGSYS", "forbidden system call"),
        _ => ("a signal", "unknown"),
    }
}

/// `si_code` of a signal that the kernel has sent without saying why.
const SI_KERNEL: i32 = 0x80;

/// Name and meaning of a `si_code` (sigaction(2)). The numbers are Linux's (include/uapi/asm-generic/siginfo.h), which macOS's
/// exceptions are translated to.
pub fn code(signal: i32, code: i32) -> (&'static str, &'static str) {
    match (signal, code) {
        (_, 0) => ("SI_USER", "sent by kill"),
        (_, -1) => ("SI_QUEUE", "sent by sigqueue"),
        (_, -2) => ("SI_TIMER", "sent by a timer"),
        (_, -3) => ("SI_MESGQ", "sent by a message queue"),
        (_, -4) => ("SI_ASYNCIO", "sent by asynchronous input or output"),
        (_, -5) => ("SI_SIGIO", "sent by queued input or output"),
        (_, -6) => ("SI_TKILL", "sent to this thread"),
        (_, SI_KERNEL) => ("SI_KERNEL", "by the kernel, which does not say why"),
        (SIGILL, 1) => ("ILL_ILLOPC", "illegal opcode"),
        (SIGILL, 2) => ("ILL_ILLOPN", "illegal operand"),
        (SIGILL, 3) => ("ILL_ILLADR", "illegal addressing mode"),
        (SIGILL, 4) => ("ILL_ILLTRP", "illegal trap"),
        (SIGILL, 5) => ("ILL_PRVOPC", "privileged opcode"),
        (SIGILL, 6) => ("ILL_PRVREG", "privileged register"),
        (SIGILL, 7) => ("ILL_COPROC", "coprocessor error"),
        (SIGILL, 8) => ("ILL_BADSTK", "internal stack error"),
        (SIGTRAP, 1) => ("TRAP_BRKPT", "breakpoint"),
        (SIGTRAP, 2) => ("TRAP_TRACE", "single step"),
        (SIGTRAP, 3) => ("TRAP_BRANCH", "branch trap"),
        (SIGTRAP, 4) => ("TRAP_HWBKPT", "hardware breakpoint"),
        (SIGTRAP, 5) => ("TRAP_UNK", "trap of no known kind"),
        (SIGTRAP, 6) => ("TRAP_PERF", "performance event"),
        (SIGBUS, 1) => ("BUS_ADRALN", "misaligned address"),
        (SIGBUS, 2) => ("BUS_ADRERR", "no memory behind the address"),
        (SIGBUS, 3) => ("BUS_OBJERR", "hardware error"),
        (SIGBUS, 5) => ("BUS_MCEERR_AO", "hardware memory error elsewhere"),
        (SIGBUS, 4) => ("BUS_MCEERR_AR", "hardware memory error"),
        // Exceptions of macOS that no si_code stands for, by Mach's names.
        (SIGSEGV, 0x103) => ("FPAC", "the signature of a pointer is wrong"),
        (SIGBUS, 0x102) => ("KERN_PROTECTION_FAILURE", "not allowed there"),
        (SIGFPE, 1) => ("FPE_INTDIV", "integer division by zero"),
        (SIGFPE, 2) => ("FPE_INTOVF", "integer overflow"),
        (SIGFPE, 3) => ("FPE_FLTDIV", "floating-point division by zero"),
        (SIGFPE, 4) => ("FPE_FLTOVF", "floating-point overflow"),
        (SIGFPE, 5) => ("FPE_FLTUND", "floating-point underflow"),
        (SIGFPE, 6) => ("FPE_FLTRES", "inexact floating-point result"),
        (SIGFPE, 7) => ("FPE_FLTINV", "invalid floating-point operation"),
        (SIGFPE, 8) => ("FPE_FLTSUB", "subscript out of range"),
        (SIGFPE, 14) => ("FPE_FLTUNK", "floating-point error of no known kind"),
        (SIGFPE, 15) => ("FPE_CONDTRAP", "trap on condition"),
        (SIGSEGV, 1) => ("SEGV_MAPERR", "nothing is mapped there"),
        (SIGSEGV, 2) => ("SEGV_ACCERR", "not allowed there"),
        (SIGSEGV, 3) => ("SEGV_BNDERR", "bounds check failed"),
        (SIGSEGV, 10) => ("SEGV_CPERR", "a return or a jump that control flow protection forbids"),
        (SIGSEGV, 4) => ("SEGV_PKUERR", "forbidden by a protection key"),
        (SIGSEGV, 8) => ("SEGV_MTEAERR", "memory tag mismatch, noticed later"),
        (SIGSEGV, 9) => ("SEGV_MTESERR", "memory tag mismatch"),
        (SIGSYS, 1) => ("SYS_SECCOMP", "by seccomp"),
        (SIGSYS, 2) => ("SYS_USER_DISPATCH", "by the process's system call user dispatch"),
        _ => ("si_code", "unknown"),
    }
}

/// What a noun ends in behind a number: `1 frame`, `2 frames`.
pub fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// Whether `si_addr` of a signal with this code is set.
pub fn has_address(signal: i32, code: i32) -> bool {
    matches!(signal, SIGILL | SIGTRAP | SIGBUS | SIGFPE | SIGSEGV) && code > 0 && code != SI_KERNEL
}

/// Whether `si_pid` and `si_uid` of a signal with this code are set: kill(2), sigqueue(3), tgkill(2).
pub fn was_sent(code: i32) -> bool {
    matches!(code, 0 | -1 | -6)
}

/// What an errno means of a call on a directory or file.
pub fn error(errno: i32) -> &'static str {
    match errno {
        libc::EACCES => "permission denied (EACCES)",
        libc::EPERM => "not permitted (EPERM)",
        libc::ENOENT => "it does not exist (ENOENT)",
        libc::ENOTDIR => "it is no directory (ENOTDIR)",
        libc::EROFS => "the file system is read-only (EROFS)",
        libc::ENOSPC => "no space is left (ENOSPC)",
        libc::EDQUOT => "the quota is used up (EDQUOT)",
        libc::EFBIG => "no file may be so large (EFBIG)",
        libc::ELOOP => "too many symbolic links (ELOOP)",
        libc::ENAMETOOLONG => "a name is too long (ENAMETOOLONG)",
        libc::EMFILE => "no descriptor is left (EMFILE)",
        libc::EIO => "input/output error (EIO)",
        _ => "unknown error",
    }
}
