//! The other threads: they are stopped until the process has died, and their registers are read.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use libc::pid_t;

use super::system;
use crate::platform::{self, Seized};
use crate::process::Thread;

/// How long all threads together may take to stop, in nanoseconds: one in an uninterruptible system call does not stop before that ends.
const STOP_TIMEOUT: u64 = 500_000_000;
/// How long the first attempts to seize a thread are repeated, in nanoseconds, where Yama lets only those trace whom a process has allowed to
/// (PR_SET_PTRACER): a copy may begin before the crashed process has allowed it, which takes its time on a busy machine.
const SEIZE_TIMEOUT: u64 = 500_000_000;
/// The same where nothing tells whether that is so.
const SEIZE_TIMEOUT_WITHOUT_PROC: u64 = 20_000_000;

/// All threads but the crashed one, and why some have no registers; empty if all have.
pub fn stop_threads(pid: pid_t, crashed: pid_t) -> (Vec<Thread>, String) {
    let is_listed = system::is_proc_ours();
    let ids = if is_listed { system::thread_ids(pid) } else { thread_ids_by_number(pid, crashed) };
    let tids: Vec<pid_t> = ids.into_iter().filter(|&tid| tid != crashed).collect();
    let patience = seize_timeout();
    let mut refused = 0u64;
    let seized: Vec<(pid_t, bool)> = tids
        .into_iter()
        .filter_map(|tid| {
            let allowed_until = platform::nanoseconds() + patience;
            while !platform::seize(tid) {
                if is_listed && has_ended(pid, tid) {
                    return None;
                }
                if refused > 0 || platform::nanoseconds() > allowed_until {
                    refused += 1;
                    return Some((tid, false));
                }
                platform::sleep(1_000_000);
            }
            Some((tid, true))
        })
        .collect();
    let deadline = platform::nanoseconds() + STOP_TIMEOUT;
    let mut running = 0u64;
    let threads = seized
        .into_iter()
        .map(|(tid, seized)| {
            let mut registers = None;
            while seized && registers.is_none() {
                match platform::seized(tid) {
                    Seized::Stopped => {
                        registers = platform::registers_of(tid);
                        break;
                    }
                    Seized::Gone => break,
                    Seized::Running if platform::nanoseconds() > deadline => {
                        running += 1;
                        break;
                    }
                    Seized::Running => platform::sleep(200_000),
                }
            }
            Thread { tid, name: name(pid, tid), registers }
        })
        .collect();
    let note = if refused > 0 {
        format!("{} can't be read: ptrace is not allowed here", stacks_of(refused))
    } else if running > 0 {
        format!("{} can't be read: not interrupted within half a second", stacks_of(running))
    } else if !is_listed {
        "there is no /proc of this process here: other threads are those that were found by their numbers, and there may be \
         more"
            .to_owned()
    } else {
        String::new()
    };
    (threads, note)
}

/// What a report says of the other threads where none is read.
pub fn missing_threads(pid: pid_t, crashed: pid_t, why: &str) -> String {
    if !system::is_proc_ours() {
        return format!("other threads, if there are any, are missing: {why}");
    }
    match system::thread_ids(pid).iter().filter(|&&tid| tid != crashed).count() {
        0 => String::new(),
        1 => format!("{} is missing: {why}", stacks_of(1)),
        others => format!("{} are missing: {why}", stacks_of(others as u64)),
    }
}

fn stacks_of(threads: u64) -> String {
    if threads == 1 {
        "the stack of 1 other thread".to_owned()
    } else {
        format!("the stacks of {threads} other threads")
    }
}

/// Without /proc, how many thread ids are tried from the process's own on: the kernel counts upwards, so most threads have theirs there.
const NUMBERS_FROM_PROCESS: pid_t = 8192;
/// Without /proc, how many thread ids are tried below and above the crashed thread's.
const NUMBERS_AROUND_THREAD: pid_t = 1024;

/// The threads of a process, where no /proc lists them.
fn thread_ids_by_number(pid: pid_t, crashed: pid_t) -> Vec<pid_t> {
    let deadline = platform::nanoseconds() + STOP_TIMEOUT;
    let from_process = pid..pid.saturating_add(NUMBERS_FROM_PROCESS);
    let around_thread =
        crashed.saturating_sub(NUMBERS_AROUND_THREAD).max(1)..crashed.saturating_add(NUMBERS_AROUND_THREAD);
    let others = around_thread.filter(|tid| !from_process.contains(tid));
    let tried = from_process.clone().chain(others).take_while(|_| platform::nanoseconds() < deadline);
    tried.filter(|&tid| platform::is_alive(pid, tid)).collect()
}

/// How long to wait for permission, by Yama's setting (Documentation/admin-guide/LSM/Yama.rst): with 1 a process can give it; with less none is
/// needed, and with more none helps.
fn seize_timeout() -> u64 {
    match system::read_file(b"/proc/sys/kernel/yama/ptrace_scope\0", 8) {
        Some(scope) if scope.starts_with(b"1") => SEIZE_TIMEOUT,
        Some(_) => 0,
        None => SEIZE_TIMEOUT_WITHOUT_PROC,
    }
}

/// Whether a thread has ended. The main thread is listed until the others have ended, too.
fn has_ended(pid: pid_t, tid: pid_t) -> bool {
    // proc_pid_stat(5): the state follows the name, which stands in parentheses and may have any in it.
    let Some(stat) = system::read_file(format!("/proc/{pid}/task/{tid}/stat\0").as_bytes(), 512) else { return true };
    stat.is_empty()
        || stat.rsplit(|&byte| byte == b')').next().is_some_and(|rest| matches!(rest.get(1), Some(b'Z' | b'X')))
}

/// A thread's name; empty if it can't be read.
fn name(pid: pid_t, tid: pid_t) -> String {
    let path = format!("/proc/{pid}/task/{tid}/comm\0");
    let name = system::read_file(path.as_bytes(), 64).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}
