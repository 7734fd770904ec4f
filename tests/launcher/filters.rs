//! Under seccomp filters that forbid to look into other processes, or end whoever tries: doctor says so, status reads by other means,
//! and stack says what is missing.

use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use harness::{Running, Subject, launched};
use serde_json::Value;

use crate::scratch::{assert_refused, nosigpipe};

/// What a filter does with who makes a call (linux/seccomp.h).
const FORBIDS: [u32; 2] = [libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32];
const ENDS: [u32; 3] = [libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_KILL_THREAD, libc::SECCOMP_RET_TRAP];

/// Offsets in struct seccomp_data (linux/seccomp.h): the call's number, and the upper half of its fourth argument.
const NUMBER: u32 = 0;
const UPPER_HALF_OF_FOURTH: u32 = 16 + 3 * 8 + 4;

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// The subject under a filter that does this with these calls. With `far`, so it does with reads of files beyond their first 4 GiB,
/// as of a program's memory by /proc/PID/mem.
fn under(subject: Subject, calls: &[libc::c_long], far: bool, action: u32) -> Subject {
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    let equal = |k, jt, jf| instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
    let answer = |k| instruction(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let mut filter = vec![load(NUMBER)];
    for call in calls {
        filter.extend([equal(*call as u32, 0, 1), answer(action)]);
    }
    if far {
        filter.extend([
            equal(libc::SYS_pread64 as u32, 0, 3),
            load(UPPER_HALF_OF_FOURTH),
            equal(0, 1, 0),
            answer(action),
        ]);
    }
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    subject.command(|command| {
        // SAFETY: the closure makes two system calls; the filter is its own.
        unsafe {
            command.pre_exec(move || {
                let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
                let is_done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                    && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0;
                if is_done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        }
    })
}

fn server() -> Running {
    let running =
        launched(&[], "python3").args(["-c", "import time\nprint('ready', flush=True)\ntime.sleep(60)"]).start();
    running.wait_for_line("ready", Duration::from_secs(60));
    // It says that before it sleeps.
    let begin = Instant::now();
    let sleeps = || nosigpipe().args(["stack", &running.pid().to_string()]).run().stdout().contains("clock_nanosleep");
    while !sleeps() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not sleep");
    }
    running
}

#[test]
fn status_reads_memory_by_its_file_where_a_filter_forbids_process_vm_readv() {
    let server = server();
    let pid = server.pid().to_string();
    for action in FORBIDS.into_iter().chain(ENDS) {
        for arguments in [&[][..], &["--json"], &["--tree"], &["--prometheus"]] {
            let status = nosigpipe().args(["status", &pid]).args(arguments);
            let outcome = under(status, &[libc::SYS_process_vm_readv, libc::SYS_ptrace], false, action).run();
            outcome.assert_silent_success();
        }
    }
}

#[test]
fn stack_needs_ptrace_and_reads_memory_by_its_file() {
    let server = server();
    let pid = server.pid().to_string();
    let stack = || nosigpipe().args(["stack", &pid]);
    for action in FORBIDS.into_iter().chain(ENDS) {
        // On a busy machine a thread may take longer to stop than it is given.
        let begin = Instant::now();
        loop {
            let outcome = under(stack(), &[libc::SYS_process_vm_readv], false, action).run();
            outcome.assert_silent_success();
            if outcome.stdout().contains("clock_nanosleep") && outcome.stdout().contains("  #1  ") {
                break;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{outcome}");
        }
    }
    let allow =
        "allow it in the service's SystemCallFilter= or in the container's profile, or look from outside of them";
    for (action, why) in [
        (FORBIDS[0], "a seccomp filter forbids ptrace (operation not permitted)"),
        (FORBIDS[1], "a seccomp filter forbids ptrace (function not implemented)"),
        (ENDS[0], "a seccomp filter ends whoever calls ptrace"),
        (ENDS[1], "a seccomp filter ends whoever calls ptrace"),
        (ENDS[2], "a seccomp filter ends whoever calls ptrace"),
    ] {
        let line = format!("no permission to look into process {pid}: {why}: {allow}");
        assert_refused(under(stack(), &[libc::SYS_ptrace], false, action), 4, &line);
        assert_refused(
            under(nosigpipe().args(["stack", "4194305"]), &[libc::SYS_ptrace], false, action),
            3,
            "no process 4194305",
        );
    }
}

#[test]
fn what_can_be_read_by_nothing_is_said_to_be_forbidden() {
    let server = server();
    let pid = server.pid().to_string();
    let calls = [libc::SYS_process_vm_readv];
    let why = "a seccomp filter forbids process_vm_readv (operation not permitted)";
    let line = format!(
        "no permission to look into process {pid}: {why}, and /proc/{pid}/mem can't be read: allow one of them in the service's \
         SystemCallFilter= or in the container's profile, or look from outside of them"
    );
    assert_refused(under(nosigpipe().args(["status", &pid]), &calls, true, FORBIDS[0]), 4, &line);
    for action in FORBIDS {
        under(nosigpipe().args(["status", &pid]), &calls, true, action).run().assert_code(4).assert_stdout("");
        let report = doctor(&calls, true, action);
        assert!(
            is_told(&report, "nosigpipe status and stack: a seccomp filter forbids process_vm_readv"),
            "{report:#}"
        );
    }
}

/// What doctor says under a filter, as JSON; nothing that it forbids is a fault of the library's.
fn doctor(calls: &[libc::c_long], far: bool, action: u32) -> Value {
    let outcome = under(nosigpipe().args(["doctor", "--json"]), calls, far, action).run();
    outcome.assert_code(0).assert_silent();
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
    assert_eq!(report["well"], true, "{report:#}");
    report
}

/// Whether this stands among what will not work.
fn is_told(report: &Value, text: &str) -> bool {
    report["limits"].as_array().unwrap().iter().any(|limit| limit.as_str().unwrap().contains(text))
}

#[test]
fn doctor_tries_what_a_filter_may_forbid_and_says_the_truth() {
    for action in FORBIDS.into_iter().chain(ENDS) {
        let verb =
            if ENDS.contains(&action) { "a seccomp filter ends whoever calls " } else { "a seccomp filter forbids " };
        let said = |report: &Value| report["machine"]["looking in"].as_str().unwrap().to_owned();

        let report = doctor(&[libc::SYS_ptrace], false, action);
        assert!(said(&report).starts_with(&format!("{verb}ptrace")), "{report:#}");
        assert!(said(&report).ends_with("; memory can be read"), "{report:#}");
        assert!(
            is_told(&report, &format!("nosigpipe stack, and other threads' stacks in crash reports: {verb}ptrace")),
            "{report:#}"
        );

        let report = doctor(&[libc::SYS_process_vm_readv], false, action);
        assert!(said(&report).contains(&format!("{verb}process_vm_readv")), "{report:#}");
        assert!(said(&report).ends_with(", so memory is read by /proc/PID/mem"), "{report:#}");
        assert!(!is_told(&report, "seccomp"), "{report:#}");
        assert_eq!(
            report["trials"]["status"]["what"], "nosigpipe status can look into what one has started",
            "{report:#}"
        );
    }
    let report = doctor(&[], false, FORBIDS[0]);
    assert!(
        !report["machine"]["looking in"].as_str().unwrap().contains("seccomp") && !is_told(&report, "seccomp"),
        "{report:#}"
    );
}
