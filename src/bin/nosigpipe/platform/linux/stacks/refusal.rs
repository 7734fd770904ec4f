//! Why the stacks of a process can't be read, and what would give the right to do it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use libc::pid_t;

use crate::exit::{Failure, NO_PERMISSION, NO_PROCESS};
use crate::output;
use crate::platform::process;

/// CAP_SYS_PTRACE's bit in CapEff (capabilities(7)).
const MAY_TRACE: u64 = 1 << 19;
/// ELFCLASS32: the fifth byte of a 32-bit program's file (elf.h).
const CLASS_32: u8 = 1;

/// The process that a number stands for, with a remark where it is that of a thread.
///
/// # Errors
/// When there is no such process, or its stacks can't be read in any case.
pub fn process_of(number: u32) -> Result<(pid_t, Option<String>), Failure> {
    let none = || Failure::new(NO_PROCESS, format!("no process {number}"));
    let status = fs::read_to_string(format!("/proc/{number}/status")).map_err(|_| none())?;
    let pid: u32 = field(&status, "Tgid").parse().map_err(|_| none())?;
    let name = process::name_of(pid).unwrap_or_default();
    let name = output::name(&name);
    let remark =
        (pid != number).then(|| format!("{number} is a thread of process {pid} ({name}), whose stacks these are"));
    let is_over = field(&status, "State").starts_with(['Z', 'X']);
    let threads: u32 = field(&status, "Threads").parse().unwrap_or(1);
    if is_over && threads <= 1 {
        return Err(Failure::new(
            NO_PROCESS,
            format!("process {pid} ({name}) has ended, and its parent, {}, has not asked how", field(&status, "PPid")),
        ));
    }
    if field(&status, "Kthread") == "1" || field(&status, "VmSize").is_empty() && !is_over {
        return Err(Failure::refused(format!(
            "process {pid} ({name}) is a thread of the kernel, which has no stack here"
        )));
    }
    let tracer = field(&status, "TracerPid");
    if !matches!(tracer, "" | "0") {
        return Err(Failure::new(NO_PERMISSION, traced(pid, tracer)));
    }
    let mut head = [0; 5];
    let is_read = File::open(format!("/proc/{pid}/exe")).and_then(|mut file| file.read_exact(&mut head)).is_ok();
    if is_read && head.starts_with(b"\x7fELF") && head.last() == Some(&CLASS_32) {
        return Err(Failure::refused(format!(
            "process {pid} ({name}) is a 32-bit program, whose stacks can't be read"
        )));
    }
    Ok((pid.cast_signed(), remark))
}

/// What is said where another process traces this one.
fn traced(pid: u32, tracer: &str) -> String {
    let name = tracer.parse().ok().and_then(process::name_of).unwrap_or_default();
    format!("process {pid} is traced by process {tracer} ({}): there can be one tracer at a time", output::name(&name))
}

/// The failure that explains why a call of ptrace(2) or a look into /proc has failed.
pub fn of(pid: pid_t, error: &io::Error) -> Failure {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    if status.is_empty() || matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT)) {
        return Failure::new(NO_PROCESS, format!("process {pid} has ended meanwhile"));
    }
    let tracer = field(&status, "TracerPid");
    if !matches!(tracer, "" | "0") {
        return Failure::new(NO_PERMISSION, traced(pid.cast_unsigned(), tracer));
    }
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Failure::new(
            NO_PERMISSION,
            format!("no permission to look into process {pid}: {}", missing_right(pid, &status)),
        ),
        Some(libc::ENOSYS) => Failure::new(
            NO_PERMISSION,
            format!("no permission to look into process {pid}: ptrace is forbidden here, by a seccomp filter perhaps"),
        ),
        _ => Failure::about(format_args!("process {pid}"), error),
    }
}

/// What would give the right (ptrace(2), "Ptrace access mode checking"; the kernel's
/// Documentation/admin-guide/LSM/Yama.rst).
fn missing_right(pid: pid_t, status: &str) -> String {
    let own = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capable = u64::from_str_radix(field(&own, "CapEff"), 16).is_ok_and(|set| set & MAY_TRACE != 0);
    let user = |status: &str| field(status, "Uid").split_whitespace().next().unwrap_or_default().to_owned();
    let (theirs, ours) = (user(status), user(&own));
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let is_filtered = field(&own, "Seccomp") == "2";
    if scope.trim() == "3" {
        return "nobody has it while kernel.yama.ptrace_scope is 3, which only a restart of the machine changes".into();
    }
    if capable {
        return if is_filtered {
            "we have CAP_SYS_PTRACE, but not over it (another user namespace, a security module), or a seccomp filter forbids ptrace".into()
        } else {
            "we have CAP_SYS_PTRACE, but not over it: it is in another user namespace, or a security module forbids it"
                .into()
        };
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
        _ if is_filtered => "a seccomp filter forbids ptrace here".into(),
        _ => "be root (CAP_SYS_PTRACE)".into(),
    }
}

/// A field of /proc/PID/status; empty where it is missing.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix(':');
    status.lines().find_map(value).map(str::trim).unwrap_or_default()
}
