//! How the calls that could bring SIGPIPE, or change what it does, are covered.

/// A way of being covered.
pub struct Way {
    /// For programs.
    pub id: &'static str,
    /// For people.
    pub explanation: &'static str,
    /// Whether the library must export the function for it.
    needs_hook: bool,
    calls: &'static [&'static str],
}

/// Every way, in the order in which they are shown. What is listed nowhere can neither raise SIGPIPE nor change it.
static WAYS: [Way; 6] = [
    Way {
        id: "flag",
        explanation: "MSG_NOSIGNAL is added at the call",
        needs_hook: true,
        calls: &["send", "sendto", "sendmsg", "sendmmsg"],
    },
    Way {
        id: "disposition",
        explanation: "a broken socket is EPIPE: ignored by the kernel (scope process), or by the guard handler (sockets)",
        needs_hook: false,
        calls: &[
            "write",
            "__write",
            "writev",
            "pwrite",
            "pwrite64",
            "__pwrite64",
            "pwritev",
            "pwritev64",
            "pwritev2",
            "pwritev64v2",
            "sendfile",
            "sendfile64",
            "splice",
            "tee",
            "vmsplice",
            "syscall",
            "__send",
            "aio_write",
            "aio_write64",
            "lio_listio",
            "lio_listio64",
            "io_uring_submit",
            "io_uring_enter",
            "io_uring_setup",
            "dprintf",
            "vdprintf",
            "__dprintf_chk",
            "__vdprintf_chk",
            "fwrite",
            "fwrite_unlocked",
            "fputs",
            "fputs_unlocked",
            "fputc",
            "fputc_unlocked",
            "putc",
            "putc_unlocked",
            "_IO_putc",
            "puts",
            "putchar",
            "putchar_unlocked",
            "printf",
            "fprintf",
            "vfprintf",
            "vprintf",
            "__printf_chk",
            "__fprintf_chk",
            "__vfprintf_chk",
            "__vprintf_chk",
            "__overflow",
            "perror",
            "fflush",
            "fflush_unlocked",
            "fclose",
        ],
    },
    Way {
        id: "wish",
        explanation: "the program's wish for SIGPIPE is kept and told back; its sockets stay safe",
        needs_hook: true,
        calls: &[
            "sigaction",
            "__sigaction",
            "signal",
            "bsd_signal",
            "ssignal",
            "sysv_signal",
            "__sysv_signal",
            "sigset",
            "sigignore",
            "siginterrupt",
        ],
    },
    Way {
        id: "child",
        explanation: "what is started has the SIGPIPE that this program itself was started with",
        needs_hook: true,
        calls: &[
            "execl",
            "execle",
            "execlp",
            "execv",
            "execve",
            "execveat",
            "execvp",
            "execvpe",
            "fexecve",
            "posix_spawn",
            "posix_spawnp",
            "system",
            "popen",
            "wordexp",
        ],
    },
    Way {
        id: "fork",
        explanation: "libc tells the library, and the rest happens when the child calls exec",
        needs_hook: false,
        calls: &["fork", "vfork", "__fork", "_Fork"],
    },
    Way {
        id: "counted",
        explanation: "counted",
        needs_hook: true,
        calls: &["socket", "socketpair", "accept", "accept4"],
    },
];

static OTHER: Way =
    Way { id: "other", explanation: "taken by the library for its other work", needs_hook: true, calls: &[] };

static NOT_COVERED: Way = Way { id: "none", explanation: "NOT COVERED by this library", needs_hook: false, calls: &[] };

/// How a function that a program imports is covered, by a library that exports these names; `None` for functions that
/// have nothing to do with any of it. The hooks are known from the library's own exports: this can't go stale.
pub fn of(function: &str, exports: &[String]) -> Option<&'static Way> {
    let is_hooked = exports.iter().any(|name| name == function);
    match WAYS.iter().find(|way| way.calls.contains(&function)) {
        Some(way) if way.needs_hook && !is_hooked => Some(&NOT_COVERED),
        Some(way) => Some(way),
        None => is_hooked.then_some(&OTHER),
    }
}

/// Every way once, in the order in which they are shown.
pub fn ways() -> impl Iterator<Item = &'static Way> {
    [&NOT_COVERED].into_iter().chain(&WAYS).chain([&OTHER])
}
