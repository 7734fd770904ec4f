//! What signals and their codes mean.

/// `SIGSEGV` and its like, and what people call it.
pub fn signal(number: i32) -> (&'static str, &'static str) {
    match number {
        4 => ("SIGILL", "illegal instruction"),
        5 => ("SIGTRAP", "trap"),
        6 => ("SIGABRT", "aborted"),
        libc::SIGBUS => ("SIGBUS", "bus error"),
        8 => ("SIGFPE", "arithmetic error"),
        11 => ("SIGSEGV", "segmentation fault"),
        libc::SIGSYS => ("SIGSYS", "forbidden system call"),
        _ => ("a signal", "unknown"),
    }
}

/// The name of a `si_code` (sigaction(2)), and what it says.
pub fn code(signal: i32, code: i32) -> (&'static str, &'static str) {
    match (signal, code) {
        (_, 0) => ("SI_USER", "sent by kill"),
        (_, -1) => ("SI_QUEUE", "sent by sigqueue"),
        (_, -2) => ("SI_TIMER", "sent by a timer"),
        (_, -3) => ("SI_MESGQ", "sent by a message queue"),
        (_, -4) => ("SI_ASYNCIO", "sent by asynchronous input or output"),
        (_, -6) => ("SI_TKILL", "sent to this thread"),
        (_, 0x80) => ("SI_KERNEL", "by the kernel, which does not say why"),
        (4, 1) => ("ILL_ILLOPC", "illegal opcode"),
        (4, 2) => ("ILL_ILLOPN", "illegal operand"),
        (4, 3) => ("ILL_ILLADR", "illegal addressing mode"),
        (4, 4) => ("ILL_ILLTRP", "illegal trap"),
        (4, 5) => ("ILL_PRVOPC", "privileged opcode"),
        (4, 6) => ("ILL_PRVREG", "privileged register"),
        (5, 1) => ("TRAP_BRKPT", "breakpoint"),
        (5, 2) => ("TRAP_TRACE", "single step"),
        (5, 3) => ("TRAP_BRANCH", "branch trap"),
        (5, 4) => ("TRAP_HWBKPT", "hardware breakpoint"),
        (libc::SIGBUS, 1) => ("BUS_ADRALN", "misaligned address"),
        (libc::SIGBUS, 2) => ("BUS_ADRERR", "no memory behind the address"),
        (libc::SIGBUS, 3) => ("BUS_OBJERR", "hardware error"),
        (libc::SIGBUS, 5) => ("BUS_MCEERR_AO", "hardware memory error elsewhere"),
        (libc::SIGBUS, 4) => ("BUS_MCEERR_AR", "hardware memory error"),
        // Of macOS, by other names than a si_code's.
        (11, 0x103) => ("FPAC", "the signature of a pointer is wrong"),
        (libc::SIGBUS, 0x102) => ("KERN_PROTECTION_FAILURE", "not allowed there"),
        (8, 1) => ("FPE_INTDIV", "integer division by zero"),
        (8, 2) => ("FPE_INTOVF", "integer overflow"),
        (8, 3) => ("FPE_FLTDIV", "floating-point division by zero"),
        (8, 4) => ("FPE_FLTOVF", "floating-point overflow"),
        (8, 5) => ("FPE_FLTUND", "floating-point underflow"),
        (8, 6) => ("FPE_FLTRES", "inexact floating-point result"),
        (8, 7) => ("FPE_FLTINV", "invalid floating-point operation"),
        (8, 8) => ("FPE_FLTSUB", "subscript out of range"),
        (11, 1) => ("SEGV_MAPERR", "nothing is mapped there"),
        (11, 2) => ("SEGV_ACCERR", "not allowed there"),
        (11, 3) => ("SEGV_BNDERR", "bounds check failed"),
        (11, 10) => ("SEGV_CPERR", "a return or a jump that control flow protection forbids"),
        (11, 4) => ("SEGV_PKUERR", "forbidden by a protection key"),
        (libc::SIGSYS, 1) => ("SYS_SECCOMP", "by seccomp"),
        _ => ("si_code", "unknown"),
    }
}

/// What a word for things that are counted ends in.
pub fn plural(number: u64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

/// Whether the address of a fault means something.
pub fn has_address(signal: i32, code: i32) -> bool {
    matches!(signal, 4 | 5 | libc::SIGBUS | 8 | 11) && code > 0 && code != 0x80
}

/// Whether somebody sent it, so that process and user are known.
pub fn was_sent(code: i32) -> bool {
    matches!(code, 0 | -1 | -6)
}

/// What an error of a call on a directory or file says.
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
