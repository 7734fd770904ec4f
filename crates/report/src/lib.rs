//! What a report says, apart from how it is written.
//!
//! The library fills it in, and `nosigpipe report` reads JSON back into it.

#![no_std]

extern crate alloc;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

pub mod fingerprint;
pub mod json;
pub mod read;
pub mod source;
pub mod stacks;
pub mod text;

use core::fmt::Write;

use wording::head::Head;
use wording::line::Shown;

/// Version of the JSON schema, docs/crash-report.schema.json.
pub const SCHEMA: u64 = 1;

/// A crash, as far as it is known.
#[derive(Clone, Default)]
pub struct Report {
    /// Base name of the executable file.
    pub program: String,
    /// The executable file.
    pub executable: String,
    /// Arguments, joined by spaces.
    pub command: String,
    /// The process that crashed.
    pub pid: i64,
    /// The thread that crashed.
    pub tid: i64,
    /// Name of the thread that crashed.
    pub thread: String,
    /// `2026-01-31T12:00:00.123Z`
    pub time: String,
    /// Milliseconds since the process began.
    pub uptime: u64,
    /// The signal's number.
    pub signal: i64,
    /// `si_code` of that signal.
    pub code: i64,
    /// The address of the fault, where the signal has one.
    pub address: Option<u64>,
    /// What was tried at that address: `reading`, `writing` or `executing`; empty when it is not known.
    pub access: String,
    /// Why the processor refused the instruction, where that is known and the code does not say it.
    pub cause: String,
    /// What is known about the address.
    pub address_description: String,
    /// Signal and code of what the program's own handler has raised for the fault.
    pub raised: Option<(i64, i64)>,
    /// Process and user that sent the signal, where somebody did.
    pub sender: Option<(i64, i64)>,
    /// Number of the system call that seccomp forbade.
    pub call: Option<i64>,
    /// What libc said before it aborted.
    pub message: String,
    /// The C++ exception in flight, then those nested in it (`std::nested_exception`).
    pub exceptions: Vec<Exception>,
    /// Whether that exception had been caught, and its `catch` block aborted; else it was never caught.
    pub is_handled: bool,
    /// The same for crashes at the same place; see [`fingerprint`].
    pub fingerprint: String,
    /// This crash's number among those with the same fingerprint, counted from 1, and the time of the first of them, as far as the
    /// directory for reports tells.
    pub occurrence: Option<(u64, String)>,
    /// Names and values of the registers at the crash.
    pub registers: Vec<(String, u64)>,
    /// Bytes around the program counter, and the address of the first of them.
    pub instructions: (u64, Vec<u8>),
    /// The crashed thread's frames, innermost first.
    pub frames: Vec<Frame>,
    /// How many frames of a very long stack were left out, and the index in `frames` of the first one behind them.
    pub omitted: Option<(u64, u64)>,
    /// Whether there was no time to follow the stack to its end.
    pub cut: bool,
    /// Why some of its frames have no names; empty where they were looked for.
    pub names_note: String,
    /// The Python stack of the crashed thread.
    pub python: Python,
    /// Why Python's stacks are missing, where the process runs Python and they can't be read.
    pub python_note: String,
    /// Lines of source around the function that is the program's own, and around Python's.
    pub sources: Vec<source::Source>,
    /// The other threads, those with equal stacks together.
    pub threads: Vec<Group>,
    /// Why the other threads are missing, or some of them; empty when none is.
    pub threads_note: String,
    /// Every file that is mapped with code in it.
    pub modules: Vec<Module>,
    /// Which names and lines of the modules are missing, and why; empty when none are.
    pub modules_note: String,
    /// The state of the process and of the system at the crash.
    pub context: Context,
}

impl Report {
    /// The part of it that its first lines show.
    #[must_use]
    pub fn head(&self) -> Head<'_> {
        Head {
            program: self.program.as_bytes(),
            pid: self.pid,
            signal: self.signal,
            code: self.code,
            address: self.address,
            access: &self.access,
            cause: &self.cause,
            sender: self.sender,
            call: self.call,
            raised: self.raised,
            tid: self.tid,
            thread: self.thread.as_bytes(),
            time: &self.time,
            uptime: self.uptime,
        }
    }

    /// One line that says it all, short enough to be whole in the last 2,048 bytes of a log, which is what Kubernetes keeps
    /// of a container that has ended.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let _ = write!(text, "{} (pid {}): ", Shown(self.program.as_bytes(), 64), self.pid);
        let _ = self.head().what(&mut text);
        if !self.message.is_empty() {
            let message = self.message.trim_end().replace('\n', " ");
            let _ = write!(text, ": {}", Shown(message.as_bytes(), 300));
        } else if self.address_description.starts_with("stack overflow") {
            text.push_str(", stack overflow");
        }
        if let Some(frame) = self.culprit() {
            let _ = write!(text, ", in {}", Shown(frame.function.as_bytes(), 200));
            if !frame.file.is_empty() {
                let _ = write!(text, " at {}:{}", Shown(frame.file.as_bytes(), 200), frame.line);
            }
        }
        if let Some(frame) = self.python.culprit() {
            let _ = write!(text, ", in Python function {}", Shown(frame.function.as_bytes(), 200));
            let _ = write!(text, " at {}:{}", Shown(frame.file.as_bytes(), 200), frame.line);
        }
        if !self.fingerprint.is_empty() {
            let _ = write!(text, " [fingerprint {}]", Shown(self.fingerprint.as_bytes(), 16));
        }
        text
    }

    /// The innermost function that is the program's own: where somebody would look first. How libc, the loader or a language's
    /// runtime went on to abort says little.
    #[must_use]
    pub fn culprit(&self) -> Option<&Frame> {
        let is_runtime = |frame: &Frame| {
            let module = frame.module.and_then(|module| self.modules.get(module as usize));
            let name = module.map_or("", Module::name);
            RUNTIME_MODULES.iter().any(|runtime| name.starts_with(runtime))
                || RUNTIME_FUNCTIONS.iter().any(|runtime| frame.function.starts_with(runtime))
                || is_of_system(&frame.file)
        };
        self.interrupted()
            .iter()
            .find(|frame| !["", "_start", "nosigpipe"].contains(&frame.function.as_str()) && !is_runtime(frame))
    }

    /// The program counter at the crash.
    #[must_use]
    pub fn program_counter(&self) -> Option<u64> {
        self.registers.iter().find(|(name, _)| name == "rip" || name == "pc").map(|(_, value)| *value)
    }

    /// The crashed thread's frames from the function on in which the crash began. A handler of the program's that was called
    /// for the crash and then aborted or raised the signal again is left out, with what it has called; a handler that has
    /// crashed itself is not.
    #[must_use]
    pub fn interrupted(&self) -> &[Frame] {
        let start = if self.raised.is_some() {
            // The fault that the handler was called for.
            let counter = self.program_counter();
            self.frames.iter().position(|frame| frame.interrupted && Some(frame.address) == counter)
        } else if self.sender.is_none() {
            // A signal without a sender is a fault of the innermost function, even if that is a handler.
            Some(0)
        } else {
            None
        };
        let is_signal_frame = |frame: &Frame| !frame.note.is_empty();
        let start = start.unwrap_or_else(|| self.frames.iter().rposition(is_signal_frame).map_or(0, |note| note + 1));
        self.frames.get(start..).unwrap_or_default()
    }
}

/// Whether a source file is a header of the system's or a file of a language's library: those of Debian's cross compilers are in
/// `/usr/aarch64-linux-gnu/include`, those of other toolchains in a tree of their own that has a `usr/include`.
fn is_of_system(file: &str) -> bool {
    let of_cross_compiler = file
        .strip_prefix("/usr/")
        .and_then(|rest| rest.split_once('/'))
        .is_some_and(|(triple, rest)| triple.contains("-linux-") && rest.starts_with("include/"));
    of_cross_compiler
        || ["/usr/include/", "/include/c++/"].iter().any(|folder| file.contains(folder))
        || ["/usr/lib/gcc", "/rustc/"].iter().any(|folder| file.starts_with(folder))
}

/// Beginnings of the names of libc's, the loader's and the languages' runtime libraries.
const RUNTIME_MODULES: [&str; 11] = [
    "libc.",
    "libc-",
    "ld-linux",
    "libstdc++.",
    "libgcc_s.",
    "libnosigpipe.",
    "libc++",
    "libpthread",
    "libm.",
    "libm-",
    "[vdso]",
];
/// Beginnings of the names of their functions, where those are linked into the program itself.
const RUNTIME_FUNCTIONS: [&str; 11] = [
    "std::",
    "core::",
    "alloc::",
    "<core::",
    "<alloc::",
    "rust_",
    "__rust",
    "__cxa_",
    "__gnu_cxx::",
    "__stack_chk",
    "_Unwind_",
];
/// The state of the process and of the system at a crash. Empty and 0 where it is not known.
#[derive(Clone, Default)]
pub struct Context {
    /// The working directory.
    pub directory: String,
    /// The kernel's name and version, and the processor's kind.
    pub kernel: String,
    /// What libc calls itself.
    pub libc: String,
    /// Seconds since the system was started.
    pub system_uptime: u64,
    /// The process's threads.
    pub threads: u64,
    /// The process's open descriptors.
    pub descriptors: u64,
    /// Resource limits (getrlimit(2)) that are nearly reached: name, how much is used, and how much is allowed.
    pub limits: Vec<(String, u64, u64)>,
    /// The memory of the process's control group.
    pub memory: Option<GroupMemory>,
    /// Names and values of some of the variables that the process was started with.
    pub environment: Vec<(String, String)>,
}

/// The memory of a control group, cgroups(7), in bytes.
#[derive(Clone, Default)]
pub struct GroupMemory {
    /// Version of the control group interface: 1 or 2.
    pub version: u64,
    /// Bytes that are used.
    pub used: u64,
    /// Bytes that are allowed, where there is a limit.
    pub limit: Option<u64>,
    /// How many processes of the group the kernel has killed because its memory was used up.
    pub kills: Option<u64>,
}

/// A C++ exception.
#[derive(Clone, Default)]
pub struct Exception {
    /// Its type, demangled.
    pub kind: String,
    /// What `what()` would return, where the object holds that text; the value of a thrown number or pointer.
    pub what: String,
    /// Number and category of the `std::error_code` in a `std::system_error` and its like.
    pub code: Option<(i64, String)>,
    /// Whether it was caught and thrown again.
    pub is_rethrown: bool,
}

impl Report {
    /// The exception and those nested in it in one line.
    #[must_use]
    pub fn exception_line(&self) -> String {
        let mut line =
            if self.is_handled { "while this exception was handled: " } else { "uncaught exception " }.to_owned();
        for (index, exception) in self.exceptions.iter().enumerate() {
            if index > 0 {
                line.push_str("; nested in it: ");
            }
            line.push_str(&exception.kind);
            if !exception.what.is_empty() {
                line.push_str(": ");
                line.push_str(&exception.what);
            }
            if let Some((number, category)) = &exception.code {
                let _ = write!(line, " (code {number}, {category})");
            }
            if exception.is_rethrown {
                line.push_str(" (thrown again; where it was thrown first is not known)");
            }
        }
        line
    }

    /// The function that threw the exception, where it has not been thrown again since.
    #[must_use]
    pub fn thrower(&self) -> Option<&Frame> {
        let throws = |frame: &Frame| frame.function.starts_with("__cxa_throw");
        let thrower = self.frames.iter().skip_while(|frame| !throws(frame)).nth(1)?;
        (!self.exceptions.is_empty() && !self.is_handled).then_some(thrower)
    }
}

/// Threads with the same stack.
#[derive(Clone, Default)]
pub struct Group {
    /// Thread ids and names.
    pub threads: Vec<(i64, String)>,
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// As [`Report::omitted`].
    pub omitted: Option<(u64, u64)>,
    /// Whether there was no time to follow the stack to its end.
    pub cut: bool,
    /// The Python stack of each of them.
    pub python: Python,
}

/// The Python stack of a thread; empty where the thread runs none.
#[derive(Clone, Default, PartialEq)]
pub struct Python {
    /// Innermost first.
    pub frames: Vec<PythonFrame>,
    /// As [`Report::omitted`].
    pub omitted: Option<(u64, u64)>,
    /// Whether it could not be followed to its end.
    pub cut: bool,
}

/// One Python function that has not returned.
#[derive(Clone, Default, PartialEq)]
pub struct PythonFrame {
    /// Its qualified name, or its name in versions before 3.11; empty when it can't be read.
    pub function: String,
    /// Source file; empty when it can't be read.
    pub file: String,
    /// Line in that file; 0 when there is none.
    pub line: u64,
    /// The number of the interpreter that runs it; 0 is the main one.
    pub interpreter: u64,
}

impl Python {
    /// The innermost function that is the program's own: neither Python's standard library's nor one without a file. Where there is
    /// none, the innermost.
    #[must_use]
    pub fn culprit(&self) -> Option<&PythonFrame> {
        let is_own = |frame: &&PythonFrame| {
            let is_installed = ["/site-packages/", "/dist-packages/"].iter().any(|part| frame.file.contains(part));
            !frame.file.is_empty()
                && !frame.file.starts_with("<frozen ")
                && (is_installed || !frame.file.contains("/lib/python3"))
        };
        self.frames.iter().find(is_own).or(self.frames.first())
    }
}

/// One function that has not returned.
#[derive(Clone, Default, PartialEq)]
pub struct Frame {
    /// The instruction that is executed next: where `interrupted`, the one that was interrupted; else the one behind the call.
    pub address: u64,
    /// Index in the report's `modules`.
    pub module: Option<u64>,
    /// `address` as the module's file counts: less the module's bias.
    pub offset: u64,
    /// Demangled; empty when unknown.
    pub function: String,
    /// Bytes from the function's start.
    pub function_offset: Option<u64>,
    /// Source file; empty when it is not known.
    pub file: String,
    /// Line in that file; 0 when it is not known.
    pub line: u64,
    /// Whether the compiler has inlined it into the frame that follows.
    pub inlined: bool,
    /// Whether a signal has interrupted it at `address`: so the innermost one, and one that a signal handler has interrupted.
    pub interrupted: bool,
    /// Of a frame that is no function's, what it is: `signal handler called`; empty of a function's.
    pub note: String,
    /// `scan` when it was found by searching the stack for return addresses: it may be left over from an earlier call.
    pub found_by: String,
    /// Its arguments, if they were asked for and are known.
    pub arguments: Vec<Variable>,
    /// Its local variables, if they were asked for and are known.
    pub locals: Vec<Variable>,
}

/// A variable and its value.
#[derive(Clone, Default, PartialEq)]
pub struct Variable {
    /// Its name in the source.
    pub name: String,
    /// Its value, as a debugger would show it.
    pub value: String,
}

/// A file that is mapped with code in it.
#[derive(Clone, Default)]
pub struct Module {
    /// The file, as it was mapped.
    pub path: String,
    /// ELF's build id or Mach-O's UUID, in hexadecimal.
    pub build_id: String,
    /// First address of its mappings.
    pub start: u64,
    /// Behind the last address of its mappings.
    pub end: u64,
    /// What to subtract from an address in memory to get the one in the file's symbol table.
    pub bias: u64,
}

impl Module {
    /// The last part of the path.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}
