//! Who may look into another process: the calls for it that a seccomp filter leaves us, and the right that is missing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::ptr;
use std::sync::OnceLock;

use libc::{c_int, pid_t};

use super::memory::ProcessMemory;
use crate::exit::reason;

/// What would help against a filter, to stand behind "allow it" or "allow one of them".
pub const WHERE_TO_ALLOW: &str =
    "in the service's SystemCallFilter= or in the container's profile, or look from outside of them";

/// A call by which another process is looked into.
#[derive(Clone, Copy)]
pub enum Call {
    Ptrace,
    ProcessVmReadv,
}

/// What comes of a call, whichever process it is for.
#[derive(Clone, Copy)]
enum Answer {
    Works,
    /// It fails with this errno.
    Fails(c_int),
    /// A filter ends who makes it.
    Ends,
}

impl Call {
    /// Its name, as in its manual page.
    fn name(self) -> &'static str {
        match self {
            Self::Ptrace => "ptrace",
            Self::ProcessVmReadv => "process_vm_readv",
        }
    }

    /// Makes it for a process that there is not. Returns its errno.
    fn make(self) -> c_int {
        // Above every pid_max (PID_MAX_LIMIT in Linux's linux/threads.h).
        let nobody = pid_t::MAX;
        let mut byte = 0_u8;
        let vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
        // SAFETY: with no such process, neither call touches memory but the vector, which is a variable of this
        // function.
        let result = unsafe {
            match self {
                Self::Ptrace => libc::ptrace(libc::PTRACE_SEIZE as _, nobody, 0, 0),
                Self::ProcessVmReadv => {
                    libc::process_vm_readv(nobody, &raw const vector, 1, &raw const vector, 1, 0) as libc::c_long
                }
            }
        };
        if result == 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(0) }
    }

    /// What comes of it, found out once; `None` where that can't be found out.
    fn answer(self) -> Option<Answer> {
        static ANSWERS: [OnceLock<Option<Answer>>; 2] = [const { OnceLock::new() }; 2];
        *ANSWERS.get(self as usize)?.get_or_init(|| tried(self))
    }

    /// Who refuses it to everybody here, in words; `None` where nobody does. The call is made by a child.
    pub fn refusal(self) -> Option<String> {
        let name = self.name();
        match self.answer()? {
            Answer::Works => None,
            Answer::Ends => Some(format!("a seccomp filter ends whoever calls {name}")),
            Answer::Fails(errno) => {
                let who = if is_filtered() { "a seccomp filter forbids" } else { "the kernel here does not allow" };
                Some(format!("{who} {name} ({})", reason(&io::Error::from_raw_os_error(errno))))
            }
        }
    }
}

/// Makes a call in a child, since a filter may end who makes it.
fn tried(call: Call) -> Option<Answer> {
    /// The child's exit code where the filter has it get SIGSYS; errno is smaller.
    const TRAPPED: c_int = 255;
    extern "C" fn trapped(_: c_int) {
        // SAFETY: it takes a number and may be called in handlers.
        unsafe { libc::_exit(TRAPPED) };
    }
    // Who ignores SIGCHLD, as we may have been started, is not told how a child has ended (waitpid(2)).
    // SAFETY: it takes numbers only.
    let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    // SAFETY: the child makes some system calls, which takes no lock and no memory, and ends by _exit.
    let status = match unsafe { libc::fork() } {
        -1 => None,
        0 => {
            // With this limit its end leaves no core file, neither in a file nor for a program (core(5)).
            let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
            // SAFETY: the structure is a variable of this function; the handler only calls _exit.
            unsafe {
                libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
                libc::signal(libc::SIGSYS, trapped as extern "C" fn(c_int) as libc::sighandler_t);
                libc::_exit(call.make())
            }
        }
        child => end_of(child),
    };
    // SAFETY: it has what the same call has returned.
    unsafe { libc::signal(libc::SIGCHLD, before) };
    let status = status?;
    match libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)) {
        Some(TRAPPED) => Some(Answer::Ends),
        Some(0 | libc::ESRCH) => Some(Answer::Works),
        Some(errno) => Some(Answer::Fails(errno)),
        None if libc::WTERMSIG(status) == libc::SIGSYS => Some(Answer::Ends),
        None => None,
    }
}

/// Waits for the end of a child, as waitpid(2) tells it.
fn end_of(child: pid_t) -> Option<c_int> {
    let mut status = 0;
    // SAFETY: the call writes one number, into `status`.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
    Some(status)
}

/// Whether a seccomp filter is in force for us.
pub fn is_filtered() -> bool {
    static IS_FILTERED: OnceLock<bool> = OnceLock::new();
    *IS_FILTERED.get_or_init(|| {
        let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
        field(&own, "Seccomp") == "2"
    })
}

/// Whether we have CAP_SYS_PTRACE.
pub fn may_trace() -> bool {
    /// Its bit in CapEff (capabilities(7)).
    const CAP_SYS_PTRACE: u64 = 1 << 19;
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    u64::from_str_radix(field(&own, "CapEff"), 16).is_ok_and(|set| set & CAP_SYS_PTRACE != 0)
}

/// What would give the right to look into a process, where it was refused to this call (ptrace(2), "Ptrace access mode
/// checking"; the kernel's Documentation/admin-guide/LSM/Yama.rst). `status` is its /proc/PID/status.
pub fn missing_right(pid: pid_t, status: &str, call: Call) -> String {
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = |status: &str| field(status, "Uid").split_whitespace().next().unwrap_or_default().to_owned();
    let (theirs, ours) = (user(status), user(&own));
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    // To open this file takes the right that both calls take, and none of these calls.
    let has_right = File::open(format!("/proc/{pid}/mem")).is_ok();
    if let Some(refusal) = call.refusal().filter(|_| has_right) {
        return match call {
            Call::Ptrace => format!("{refusal}: allow it {WHERE_TO_ALLOW}"),
            Call::ProcessVmReadv => {
                format!("{refusal}, and /proc/{pid}/mem can't be read: allow one of them {WHERE_TO_ALLOW}")
            }
        };
    }
    if scope.trim() == "3" {
        return "nobody has it while kernel.yama.ptrace_scope is 3, which only a restart of the machine changes".into();
    }
    if may_trace() {
        return "we have CAP_SYS_PTRACE, but not over it: it is in another user namespace, or a security module forbids it"
            .into();
    }
    if ours == "0" {
        return "root without CAP_SYS_PTRACE, as in a container: start that with --cap-add=SYS_PTRACE, or look from outside of it".into();
    }
    if theirs != ours {
        return format!("it runs as uid {theirs}, and we as {ours}: be its user, or root (CAP_SYS_PTRACE)");
    }
    // The files in /proc of a process that may not be dumped belong to root (proc(5)).
    let is_dumpable = fs::metadata(format!("/proc/{pid}")).is_ok_and(|file| file.uid().to_string() == theirs);
    if !is_dumpable {
        return "it may not be dumped (set-user-ID, file capabilities, PR_SET_DUMPABLE): be root (CAP_SYS_PTRACE)"
            .into();
    }
    match scope.trim() {
        "1" => "kernel.yama.ptrace_scope is 1, which lets parents look into their children only: be root (CAP_SYS_PTRACE), or \
                set it to 0"
            .into(),
        "2" => "kernel.yama.ptrace_scope is 2: be root (CAP_SYS_PTRACE)".into(),
        _ => "be root (CAP_SYS_PTRACE)".into(),
    }
}

/// Whether /proc/PID/mem can be read, where the right to it is there: everybody has it over himself.
pub fn reads_memory_by_file() -> bool {
    let byte = 1_u8;
    let mut read = [0];
    let memory = ProcessMemory::of(std::process::id().cast_signed());
    memory.read_file(ptr::from_ref(&byte).addr() as u64, &mut read).is_ok_and(|count| count == 1)
}

/// A field of /proc/PID/status; empty where it is missing.
pub fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    status.lines().find_map(value).map(str::trim).unwrap_or_default()
}
