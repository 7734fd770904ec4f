//! The table: one line per way to die.

use harness::{SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

/// How a program ends, as its parent sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Killed(i32),
    Exited(i32),
    /// Never, by itself.
    Never,
}

/// What there has to be to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Everything.
    Full,
    /// Something that a full report needs is not to be had: the signal, the address, and where each frame is.
    Raw,
    /// Not a word: the program isn't dying, or the kernel kills it before anybody is asked.
    Silence,
    /// Nobody could read it; only the end counts.
    Unseen,
}

/// One way to die.
pub struct Case {
    /// The file in tests/programs/zoo.
    pub program: &'static str,
    /// Its argument; what begins with @ is a library to give by its path.
    pub way: &'static str,
    /// What the bare program must do, or the case shows nothing.
    pub bare: End,
    /// What it does under the library.
    pub end: End,
    /// The signal that the report is about.
    pub signal: i32,
    pub wanted: Wanted,
    /// The zoo's own functions on the stack of the thread that crashed, innermost first: these and no others.
    pub chain: &'static str,
    /// A function without debug information that has to be there too.
    pub named: Option<&'static str>,
    /// Recursion: how often a function comes in a row doesn't count.
    pub recursive: bool,
    /// The signal was sent, and by whom.
    pub sender: Option<Sender>,
    /// Other threads: name and chain.
    pub others: &'static [(&'static str, &'static str)],
    /// How many processes report.
    pub reports: usize,
    /// A core file is asked for.
    pub core: bool,
    /// gdb can't see this one: it has no part in the comparison.
    pub without_gdb: bool,
    /// Why there is no such death on arm64.
    pub not_on_arm64: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sender {
    Itself,
    Another,
}

impl Case {
    /// Dies of a signal and leaves a full report.
    const fn dies(program: &'static str, signal: i32) -> Self {
        Self {
            program,
            way: "",
            bare: End::Killed(signal),
            end: End::Killed(signal),
            signal,
            wanted: Wanted::Full,
            chain: "fail parse serve main",
            named: None,
            recursive: false,
            sender: None,
            others: &[],
            reports: 1,
            core: false,
            without_gdb: false,
            not_on_arm64: None,
        }
    }

    /// Dies for lack of something.
    const fn starved(way: &'static str, wanted: Wanted) -> Self {
        Self { way, wanted, ..Self::dies("starved", SIGSEGV) }
    }

    /// Lives, and nobody says a word.
    const fn lives(program: &'static str, way: &'static str, code: i32) -> Self {
        Self { way, wanted: Wanted::Silence, ..Self::dies(program, 0).exits(code) }
    }

    const fn way(self, way: &'static str) -> Self {
        Self { way, ..self }
    }

    const fn chain(self, chain: &'static str) -> Self {
        Self { chain, ..self }
    }

    const fn exits(self, code: i32) -> Self {
        Self { bare: End::Exited(code), end: End::Exited(code), ..self }
    }

    /// Ends in another way than bare, and that's the point.
    const fn bare(self, bare: End) -> Self {
        Self { bare, ..self }
    }

    /// Ends by the signal that a handler of its own raises, and the report is about the fault that the handler was for.
    const fn about(self, signal: i32) -> Self {
        Self { signal, ..self }
    }

    const fn wanted(self, wanted: Wanted) -> Self {
        Self { wanted, ..self }
    }

    const fn named(self, function: &'static str) -> Self {
        Self { named: Some(function), ..self }
    }

    const fn recursive(self) -> Self {
        Self { recursive: true, ..self }
    }

    const fn sent_by(self, sender: Sender) -> Self {
        Self { sender: Some(sender), ..self }
    }

    const fn others(self, others: &'static [(&'static str, &'static str)]) -> Self {
        Self { others, ..self }
    }

    const fn reports(self, reports: usize) -> Self {
        Self { reports, ..self }
    }

    const fn with_core(self) -> Self {
        Self { core: true, ..self }
    }

    const fn not_on_arm64(self, reason: &'static str) -> Self {
        Self { not_on_arm64: Some(reason), ..self }
    }

    const fn without_gdb(self) -> Self {
        Self { without_gdb: true, ..self }
    }

    /// As it is shown and selected.
    pub fn name(&self) -> String {
        format!("{} {}", self.program, self.way).trim_end().to_owned()
    }
}

/// Main joins the thread that crashes.
const MAIN_JOINS: &[(&str, &str)] = &[("", "main")];

/// What `__builtin_trap` is: an instruction that is none, or a breakpoint.
const BUILTIN_TRAP: i32 = if cfg!(target_arch = "aarch64") { SIGTRAP } else { SIGILL };
/// A thread with a small stack, in KiB: no smaller than PTHREAD_STACK_MIN, which is 16 KiB, and 128 KiB on arm64.
const SMALL_THREAD: &str = if cfg!(target_arch = "aarch64") { "128-thread" } else { "64-thread" };
const SMALL_THREAD_SIGALTSTACK: &str =
    if cfg!(target_arch = "aarch64") { "128-thread-sigaltstack" } else { "64-thread-sigaltstack" };
/// What abort does where SIGABRT has no effect (glibc's abort-instr.h): `hlt`, which is a SIGSEGV, or a breakpoint.
const ABORT_IN_PID_1: i32 = 128 + if cfg!(target_arch = "aarch64") { SIGTRAP } else { SIGSEGV };

pub static CASES: &[Case] = &[
    // The hardware finds fault.
    Case::dies("null_read", SIGSEGV).with_core(),
    Case::dies("null_write", SIGSEGV),
    Case::dies("null_call", SIGSEGV),
    Case::dies("wild_read", SIGSEGV).with_core(),
    Case::dies("wild_jump", SIGSEGV).with_core(),
    Case::dies("wild_jump_high", SIGSEGV),
    Case::dies("data_call", SIGSEGV),
    Case::dies("const_write", SIGSEGV),
    Case::dies("unloaded_library", SIGSEGV).way("@empty_library"),
    Case::dies("bus", SIGBUS).with_core(),
    Case::dies("ill", BUILTIN_TRAP),
    Case::dies("ill", SIGILL).way("unknown"),
    Case::dies("fpe", SIGFPE)
        .not_on_arm64("a division by zero is 0 there, and exceptions of floating point don't trap"),
    Case::dies("trap", SIGTRAP),
    Case::dies("sys", SIGSYS),
    // Software does.
    Case::dies("abort", SIGABRT).with_core(),
    Case::dies("assert", SIGABRT),
    Case::dies("fortify", SIGABRT),
    Case::dies("stack_protector", SIGABRT),
    Case::dies("double_free", SIGABRT),
    Case::dies("heap_overflow", SIGABRT),
    // Locks are held.
    Case::dies("heap_wild", SIGSEGV).others(&[("waiter", "wait_for_ever")]),
    Case::dies("malloc_locked", SIGSEGV).others(&[("counter", "count_for_ever")]),
    Case::dies("loader_callback", SIGSEGV).chain("fail serve main"),
    Case::dies("loader_locked", SIGSEGV).others(&[("holder", "stay hold")]),
    Case::dies("loader_locked", SIGSEGV).way("@slow_library").others(&[("holder", "stay hold")]),
    // The stack is at its end, or spoilt.
    Case::dies("overflow", SIGSEGV).chain("fail serve main").recursive().with_core(),
    Case::dies("overflow", SIGSEGV).way("sigaltstack").chain("fail serve main").recursive(),
    Case::dies("overflow", SIGSEGV).way("8192-thread").chain("fail serve worker").recursive().others(MAIN_JOINS),
    Case::dies("overflow", SIGSEGV).way(SMALL_THREAD).chain("fail serve worker").recursive().others(MAIN_JOINS),
    Case::dies("overflow", SIGSEGV).way(SMALL_THREAD_SIGALTSTACK).chain("fail serve worker").recursive(),
    Case::dies("smashed_return", SIGSEGV).chain("").without_gdb(),
    Case::dies("smashed_frame", SIGSEGV).chain("fail"),
    Case::dies("smashed_stack", SIGSEGV).chain("fail"),
    Case::dies("jit", SIGSEGV).chain("callback fail parse serve main"),
    Case::dies("jit", SIGSEGV).way("frameless").chain("callback"),
    Case::dies("jit_fault", SIGSEGV),
    Case::dies("coroutine", SIGSEGV).chain("fail parse serve routine"),
    Case::dies("small_thread", SIGSEGV).chain("fail parse serve worker").others(MAIN_JOINS),
    // At odd times.
    Case::dies("in_handler", SIGSEGV).chain("on_signal fail parse serve main"),
    Case::dies("in_handler", SIGSEGV).way("altstack").chain("on_signal fail parse serve main"),
    Case::dies("constructor", SIGSEGV).chain("fail parse serve construct"),
    // Libraries that the program is linked with are initialised before a preloaded one: nobody is there to report.
    Case::dies("linked_constructor", SIGSEGV).chain("fail parse serve construct").wanted(Wanted::Unseen),
    Case::dies("dlopen_constructor", SIGSEGV).way("@constructor_library").chain("fail parse serve construct load main"),
    Case::dies("at_exit", SIGSEGV).chain("fail parse serve at_exit main"),
    Case::dies("static_object", SIGSEGV).chain("fail parse serve ~Server"),
    Case::dies("thread_end", SIGSEGV).chain("fail parse serve destroy"),
    Case::dies("thread_end", SIGSEGV).way("overflow").chain("recurse fail parse serve destroy").recursive(),
    // In other processes.
    Case::dies("forked", SIGSEGV).exits(SIGSEGV).without_gdb(),
    Case::dies("forked", SIGSEGV).way("vfork").exits(SIGSEGV).without_gdb(),
    Case::dies("forked", SIGSEGV).way("both").reports(2).without_gdb(),
    Case::dies("forked", SIGSEGV).way("vfork-both").reports(2).without_gdb(),
    Case::dies("pid_1", SIGSEGV).way("fault").exits(139).without_gdb(),
    Case::dies("pid_1", SIGABRT).way("abort").exits(ABORT_IN_PID_1).without_gdb(),
    Case::dies("traced", SIGSEGV).exits(SIGSEGV).without_gdb(),
    // Several at once.
    Case::dies("several", SIGSEGV).way("2").chain("fail parse serve worker").others(MAIN_JOINS),
    Case::dies("several", SIGSEGV).way("10").chain("fail parse serve worker").others(MAIN_JOINS).with_core(),
    Case::dies("exit_meanwhile", SIGSEGV).way("exit").chain("fail parse serve worker").without_gdb(),
    Case::dies("exit_meanwhile", SIGSEGV).way("_exit").chain("fail parse serve worker").without_gdb(),
    Case::dies("exit_meanwhile", SIGSEGV).way("return").chain("fail parse serve worker").without_gdb(),
    Case::dies("others", SIGSEGV).others(&[
        ("pool", "wait_for_work pool"),
        ("reader", "read_request reader"),
        ("computer", "compute computer"),
    ]),
    Case::dies("others", SIGSEGV).way("200").others(&[
        ("pool", "wait_for_work pool"),
        ("reader", "read_request reader"),
        ("computer", "compute computer"),
    ]),
    // C++.
    Case::dies("uncaught", SIGABRT),
    Case::dies("uncaught_thread", SIGABRT).chain("fail parse serve work").others(MAIN_JOINS),
    Case::dies("noexcept", SIGABRT).chain("thrower promise fail parse serve main"),
    Case::dies("pure_virtual", SIGABRT).chain("use Model Onnx fail parse serve main"),
    Case::dies("templates", SIGSEGV).chain("at operator() with fail parse serve main"),
    Case::dies("inlined", SIGSEGV).chain("third second first fail parse serve main"),
    // Rust.
    Case::dies("rust", SIGSEGV).way("null"),
    Case::dies("rust", SIGABRT).way("overflow").about(SIGSEGV).chain("recurse fail parse serve main").recursive(),
    Case::dies("rust", SIGABRT).way("panic"),
    Case::dies("rust", SIGABRT).way("unwrap"),
    Case::dies("rust", SIGABRT).way("abort"),
    // Sent.
    Case::dies("raised", SIGSEGV).way("raise:11").sent_by(Sender::Itself).with_core(),
    Case::dies("raised", SIGABRT).way("kill:6").sent_by(Sender::Itself),
    Case::dies("raised", SIGSEGV).way("queue:11").sent_by(Sender::Itself),
    Case::dies("killed", SIGSEGV).way("main:11").sent_by(Sender::Another).with_core(),
    Case::dies("killed", SIGABRT)
        .way("worker:6")
        .chain("fail parse serve worker")
        .sent_by(Sender::Another)
        .others(MAIN_JOINS),
    // Something is missing.
    Case::starved("stderr-closed", Wanted::Unseen),
    Case::starved("stderr-full", Wanted::Unseen),
    Case::starved("stderr-full-nonblocking", Wanted::Unseen),
    Case::starved("stderr-broken", Wanted::Unseen),
    Case::starved("stderr-read-only", Wanted::Unseen),
    Case::starved("no-descriptors", Wanted::Raw),
    Case::starved("no-processes", Wanted::Raw),
    Case::starved("no-memory", Wanted::Raw),
    Case::starved("no-files", Wanted::Full),
    Case::starved("nobody", Wanted::Full),
    Case::starved("not-dumpable", Wanted::Full),
    Case::starved("chroot", Wanted::Raw),
    Case::starved("chroot-nobody", Wanted::Raw),
    Case::starved("seccomp-fork", Wanted::Raw),
    Case::starved("seccomp-fork-trap", Wanted::Raw),
    Case::starved("seccomp-open", Wanted::Raw),
    Case::starved("seccomp-peek", Wanted::Full),
    Case::starved("seccomp-map", Wanted::Raw),
    Case::starved("seccomp-all", Wanted::Raw),
    Case::starved("seccomp-all-trap", Wanted::Raw),
    Case::starved("deleted", Wanted::Full),
    Case::starved("replaced", Wanted::Full),
    Case::dies("stripped", SIGSEGV).named("zoo_exported"),
    // Something is in the way.
    Case::dies("busy", SIGSEGV).way("timer"),
    Case::dies("busy", SIGSEGV).way("reaper"),
    Case::dies("busy", SIGSEGV).way("no-sigchld"),
    Case::dies("busy", SIGSEGV).way("stdio-locked"),
    Case::dies("masked", SIGSEGV).way("others"),
    Case::dies("masked", SIGSEGV).way("all"),
    // The signal of the fault alone: the kernel asks nobody.
    Case::dies("masked", SIGSEGV).way("one").wanted(Wanted::Silence),
    Case::dies("masked", SIGABRT).way("abort"),
    // The program has a handler, which gives up.
    Case::dies("gives_up", SIGSEGV).way("signal").bare(End::Never).without_gdb(),
    Case::dies("gives_up", SIGSEGV).way("resethand").without_gdb(),
    Case::dies("gives_up", SIGSEGV).way("default-return").without_gdb(),
    Case::dies("gives_up", SIGSEGV).way("default-raise").without_gdb(),
    Case::dies("gives_up", SIGSEGV).way("default-kill").chain("default_and_kill fail parse serve main").without_gdb(),
    Case::dies("gives_up", SIGABRT).way("abort").about(SIGSEGV).chain("call_abort fail parse serve main").without_gdb(),
    Case::lives("gives_up", "exit", 3),
    Case::dies("abort_handled", SIGABRT).way("returns"),
    Case::dies("abort_handled", SIGABRT).way("signal-returns"),
    Case::dies("abort_handled", SIGABRT).way("ignored").wanted(Wanted::Unseen),
    Case::lives("abort_handled", "jumps", 5),
    // The program faults on purpose.
    Case::lives("recovers", "siglongjmp", 5),
    Case::lives("recovers", "signal-siglongjmp", 5),
    Case::lives("recovers", "mprotect", 5),
    Case::lives("recovers", "mprotect-same", 5),
    Case::lives("recovers", "signal-mprotect", 5),
    Case::lives("recovers", "skip", 5),
    Case::lives("recovers", "trap", 5),
    Case::lives("recovers", "raise", 5),
    Case::lives("recovers", "ignored", 5),
    Case::lives("recovers", "sigwait", 5),
    Case::lives("recovers", "overflow", 5),
    Case::lives("queries", "", 0),
    Case::lives("stacks", "", 0),
];
