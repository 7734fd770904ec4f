//! The library in real programs on a real Mac. The same situations run in an emulator elsewhere (scripts/test-macos).
//!
//! tests/macos/client/main.rs says what the program does that most tests start.

#![cfg(target_os = "macos")]
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use harness::{Outcome, Running, SIGABRT, SIGPIPE, SIGSEGV, Scratch, Subject};
use serde_json::Value;

const SOURCES: [&str; 9] = [
    "pair",
    "internet",
    "connected",
    "accepted",
    "accepted-nocancel",
    "accepted-by-loud",
    "gone",
    "received",
    "received-nocancel",
];
const WAYS: [&str; 16] = [
    "execve",
    "execv",
    "execvp",
    "execl",
    "execlp",
    "execle",
    "fork-execve",
    "fork-execv",
    "fork-execvp",
    "fork-execl",
    "fork-execlp",
    "fork-execle",
    "spawn",
    "spawn-attributes",
    "system",
    "popen",
];

/// The client, compiled.
fn client() -> &'static PathBuf {
    static CLIENT: OnceLock<PathBuf> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let program = harness::target().join(format!("macos-client.{}", std::process::id())).join("client");
        fs::create_dir_all(program.parent().expect("it is in a directory")).expect("target can be written to");
        let source = harness::root().join("tests/macos/client/main.rs");
        let status = Command::new("rustc")
            .args(["--edition", "2024", "-O", "-Cpanic=abort", "--crate-name", "client"])
            .arg(source)
            .arg("-o")
            .arg(&program)
            .status()
            .expect("rustc starts");
        assert!(status.success(), "the client does not compile");
        program
    })
}

/// Without the library. std gives what it starts the default action for SIGPIPE, whatever its own is.
fn bare(words: &[&str]) -> Subject {
    harness::bare(client()).args(words)
}

fn inserted(words: &[&str]) -> Subject {
    harness::preloaded(client()).args(words)
}

fn says(subject: Subject, line: &str) {
    subject.run().assert_silent_success().assert_stdout(&format!("{line}\n"));
}

#[test]
fn a_program_that_dies_alone_of_its_sockets_survives() {
    bare(&["socket"]).run().assert_killed_by(SIGPIPE);
    says(inserted(&["socket"]), "survived");
    says(inserted(&["socket", "reset"]), "survived");
}

#[test]
fn a_program_survives_its_pipes_in_scopes_process_and_tree_only() {
    bare(&["pipe"]).run().assert_killed_by(SIGPIPE);
    says(inserted(&["pipe"]), "survived");
    says(inserted(&["pipe"]).scope("tree"), "survived");
    for scope in ["sockets", "off"] {
        inserted(&["pipe"]).scope(scope).run().assert_killed_by(SIGPIPE).assert_silent();
    }
    // Who sets SIGPIPE gets it, but for sockets.
    inserted(&["pipe", "reset"]).run().assert_killed_by(SIGPIPE).assert_silent();
}

#[test]
fn every_call_on_a_socket_from_everywhere_fails_and_no_signal_comes() {
    for source in SOURCES {
        for scope in ["process", "sockets", "tree"] {
            says(inserted(&["each", source]).scope(scope), "survived");
            says(inserted(&["each", source, "reset"]).scope(scope), "survived");
        }
    }
}

#[test]
fn without_the_library_and_in_scope_off_each_of_them_is_deadly() {
    for source in ["pair", "internet", "connected"] {
        bare(&["each", source]).run().assert_killed_by(SIGPIPE).assert_silent();
        inserted(&["each", source]).scope("off").run().assert_killed_by(SIGPIPE).assert_silent();
    }
}

#[test]
fn a_socket_that_is_open_at_load_is_made_silent() {
    bare(&["bequeath"]).run().assert_killed_by(SIGPIPE);
    for scope in ["process", "sockets", "tree"] {
        says(inserted(&["bequeath"]).scope(scope), "survived");
    }
}

#[test]
fn what_is_started_has_the_sigpipe_that_it_would_have_had() {
    for way in WAYS {
        says(bare(&["child", way]), "default");
        for scope in ["process", "sockets", "off"] {
            says(inserted(&["child", way]).scope(scope), "default");
        }
        says(inserted(&["child", way]).scope("tree"), "ignored");
    }
}

#[test]
fn the_program_is_told_that_sigpipe_is_ignored_where_it_is() {
    for (scope, told) in [("process", "ignored"), ("tree", "ignored"), ("sockets", "default"), ("off", "default")] {
        says(inserted(&["sigpipe"]).scope(scope), told);
    }
}

#[test]
fn what_the_program_sets_it_is_told() {
    says(bare(&["signals"]), "told");
    for scope in ["process", "sockets", "tree", "off"] {
        says(inserted(&["signals"]).scope(scope), "told");
    }
}

#[test]
fn errno_is_kept() {
    says(inserted(&["errno"]), "kept");
}

#[test]
fn interposing_works_on_this_system() {
    let outcome = inserted(&["socket"]).log("summary").run();
    let told = outcome.stderr();
    assert!(told.contains("2 broken pipes survived") && !told.contains("does not let"), "{outcome}");
}

fn crash(subject: Subject) -> Outcome {
    let outcome = subject.run();
    outcome.assert_killed_by(SIGSEGV);
    outcome
}

#[test]
fn a_crash_is_reported_with_names_and_dies_of_its_signal() {
    let outcome = crash(inserted(&["crash"]));
    for part in ["crashed: SIGSEGV", "client::function_that_crashes", "client::function_that_calls", " main +"] {
        assert!(outcome.stderr().contains(part), "{part} is not there: {outcome}");
    }
    crash(bare(&["crash"])).assert_silent();
}

#[test]
fn the_other_threads_are_shown() {
    let outcome = crash(inserted(&["crash", "threads"]));
    assert!(outcome.stderr().contains("\"worker\""), "{outcome}");
    let outcome = crash(inserted(&["crash", "threads"]).env("NOSIGPIPE_THREADS", "crashed"));
    assert!(!outcome.stderr().contains("\"worker\""), "{outcome}");
}

#[test]
fn abort_is_reported_and_dies_of_its_signal() {
    let outcome = inserted(&["abort"]).run();
    outcome.assert_killed_by(SIGABRT);
    assert!(outcome.stderr().contains("crashed: SIGABRT"), "{outcome}");
}

#[test]
fn a_report_in_json_can_be_parsed() {
    let outcome = crash(inserted(&["crash"]).env("NOSIGPIPE_FORMAT", "json"));
    let report: Value = serde_json::from_slice(&outcome.stderr).unwrap_or_else(|error| panic!("{error}: {outcome}"));
    assert_eq!(report.pointer("/signal/name").and_then(Value::as_str), Some("SIGSEGV"), "{report:#}");
    let function = report.pointer("/crashed_thread/frames/0/function").and_then(Value::as_str);
    assert_eq!(function, Some("client::function_that_crashes"), "{report:#}");
}

#[test]
fn a_report_goes_to_a_directory() {
    let scratch = Scratch::new();
    let outcome = crash(inserted(&["crash"]).env("NOSIGPIPE_REPORT", scratch.path()));
    let files = scratch.files();
    assert_eq!(files.len(), 1, "{files:?} {outcome}");
    let report = fs::read_to_string(&files[0]).expect("it is a text");
    assert!(report.contains("client::function_that_crashes"), "{report}");
    assert!(outcome.stderr().contains("nosigpipe: the report is in "), "{outcome}");
}

#[test]
fn the_launcher_starts_a_program_with_the_library() {
    says(harness::launched(&[], client()).arg("socket"), "survived");
    harness::launched(&["--scope", "sockets"], client()).arg("pipe").run().assert_killed_by(SIGPIPE).assert_silent();
}

#[test]
fn the_launcher_refuses_a_program_that_the_system_guards() {
    let outcome = harness::launched(&[], "/bin/sh").args(["-c", "true"]).run();
    outcome.assert_code(125);
    assert!(outcome.stderr().contains("guarded by System Integrity Protection"), "{outcome}");
}

fn waiting(subject: Subject) -> Running {
    let running = subject.start();
    running.wait_for_line("ready", Duration::from_secs(10));
    running
}

#[test]
fn status_tells_whether_the_library_is_in_force() {
    // A test that can't run says so, in a word that CI's log can be searched for.
    let may_sudo = Command::new("sudo").args(["-n", "true"]).output().is_ok_and(|output| output.status.success());
    if !may_sudo {
        eprintln!("SKIPPED: status needs sudo, and sudo wants a password");
        return;
    }
    let status = |running: &Running| {
        harness::bare("sudo").arg("-n").arg(harness::launcher()).arg("status").arg(running.pid().to_string()).run()
    };
    status(&waiting(inserted(&["wait"]))).assert_silent_success();
    status(&waiting(bare(&["wait"]))).assert_code(2);
}

#[test]
fn of_ones_own_process_it_is_known_that_the_library_is_not_there() {
    let running = waiting(bare(&["wait"]));
    let outcome = harness::bare(harness::launcher()).arg("status").arg(running.pid().to_string()).run();
    outcome.assert_code(2);
    assert!(outcome.stderr().contains("is not loaded in process"), "{outcome}");
}
