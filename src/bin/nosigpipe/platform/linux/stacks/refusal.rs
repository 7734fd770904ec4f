//! Why the stacks of a process can't be read.

use std::fs::File;
use std::io::{self, Read};

use libc::pid_t;

use super::super::permission::{Call, WHERE_TO_ALLOW, field, is_filtered, missing_right};
use crate::exit::{Failure, NO_PERMISSION, NO_PROCESS};
use crate::output;
use crate::platform::process;

/// ELFCLASS32: the fifth byte of a 32-bit program's file (elf.h).
const CLASS_32: u8 = 1;

/// The process that a number stands for, with a remark where it is that of a thread.
///
/// # Errors
/// When there is no such process, or its stacks can't be read in any case.
pub fn process_of(number: u32) -> Result<(pid_t, Option<String>), Failure> {
    let none = || Failure::new(NO_PROCESS, format!("no process {number}"));
    let status = process::text(format!("/proc/{number}/status")).map_err(|_| none())?;
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
    let has_memory = !field(&status, "VmSize").is_empty();
    if !has_memory && !is_over && process::is_ending(pid) {
        return Err(Failure::new(NO_PROCESS, format!("process {pid} ({name}) is ending")));
    }
    if field(&status, "Kthread") == "1" || !has_memory && !is_over {
        return Err(Failure::refused(format!(
            "process {pid} ({name}) is a thread of the kernel, which has no stack here"
        )));
    }
    let tracer = field(&status, "TracerPid");
    if !matches!(tracer, "" | "0") {
        return Err(Failure::new(NO_PERMISSION, traced(pid, tracer)));
    }
    let mut head = [0; 5];
    let is_read = File::open(format!("/proc/{}/exe", process::living_thread(pid)))
        .and_then(|mut file| file.read_exact(&mut head))
        .is_ok();
    if is_read && head.starts_with(b"\x7fELF") && head.last() == Some(&CLASS_32) {
        return Err(Failure::refused(format!(
            "process {pid} ({name}) is a 32-bit program, whose stacks can't be read"
        )));
    }
    Ok((pid.cast_signed(), remark))
}

/// Fails where ptrace(2) is refused to everybody, before we make the call: a seccomp filter may end us for it. The call is
/// tried by a child, so only where there is a filter.
pub fn without_ptrace(pid: pid_t) -> Result<(), Failure> {
    if is_filtered()
        && let Some(refusal) = Call::Ptrace.refusal()
    {
        return Err(no_permission(pid, &format!("{refusal}: allow it {WHERE_TO_ALLOW}")));
    }
    Ok(())
}

fn no_permission(pid: pid_t, missing: &str) -> Failure {
    Failure::new(NO_PERMISSION, format!("no permission to look into process {pid}: {missing}"))
}

/// What is said where another process traces this one.
fn traced(pid: u32, tracer: &str) -> String {
    let name = tracer.parse().ok().and_then(process::name_of).unwrap_or_default();
    format!("process {pid} is traced by process {tracer} ({}): there can be one tracer at a time", output::name(&name))
}

/// The failure that explains why a call of ptrace(2) or a look into /proc has failed.
pub fn of(pid: pid_t, error: &io::Error) -> Failure {
    let status = process::text(format!("/proc/{pid}/status")).unwrap_or_default();
    if status.is_empty() || matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT)) {
        return Failure::new(NO_PROCESS, format!("process {pid} has ended meanwhile"));
    }
    let tracer = field(&status, "TracerPid");
    if !matches!(tracer, "" | "0") {
        return Failure::new(NO_PERMISSION, traced(pid.cast_unsigned(), tracer));
    }
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
            no_permission(pid, &missing_right(pid, &status, Call::Ptrace))
        }
        _ => Failure::about(format_args!("process {pid}"), error),
    }
}
