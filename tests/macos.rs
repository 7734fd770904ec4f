//! The library in real programs on a real Mac. The same situations run in an emulator elsewhere (scripts/test-macos).

#![cfg(target_os = "macos")]
#![expect(clippy::expect_used, reason = "a test may panic")]

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

const SIGPIPE: i32 = 13;
const SIGSEGV: i32 = 11;

/// tests/macos/client.rs, compiled.
fn client() -> &'static PathBuf {
    static CLIENT: OnceLock<PathBuf> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let program = harness::target().join("macos-client");
        let source = harness::root().join("tests/macos/client.rs");
        let status = Command::new("rustc")
            .args(["--edition", "2024", "-O", "-Cpanic=abort"])
            .arg(source)
            .arg("-o")
            .arg(&program)
            .status()
            .expect("rustc starts");
        assert!(status.success(), "the client does not compile");
        program
    })
}

fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(client());
    command.args(arguments).env_remove("DYLD_INSERT_LIBRARIES").env_remove("NOSIGPIPE_PROCESS");
    // std gives what it starts the default action for SIGPIPE, whatever its own is.
    command
}

fn inserted(arguments: &[&str]) -> Command {
    let mut command = bare(arguments);
    command.env("DYLD_INSERT_LIBRARIES", harness::library());
    command
}

fn run(mut command: Command) -> Output {
    command.output().expect("the client starts")
}

fn assert_survived(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"survived\n");
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_program_that_dies_alone_of_its_sockets_survives() {
    assert_eq!(run(bare(&["socket", "reset"])).status.signal(), Some(SIGPIPE));
    assert_survived(&run(inserted(&["socket"])));
    assert_survived(&run(inserted(&["socket", "reset"])));
}

#[test]
fn a_program_survives_its_pipes_in_scope_process_only() {
    assert_eq!(run(bare(&["pipe", "reset"])).status.signal(), Some(SIGPIPE));
    assert_survived(&run(inserted(&["pipe"])));
    let mut sockets = inserted(&["pipe", "reset"]);
    sockets.env("NOSIGPIPE_SCOPE", "sockets");
    assert_eq!(run(sockets).status.signal(), Some(SIGPIPE));
}

#[test]
fn a_crash_is_reported_with_names_and_dies_of_its_signal() {
    let output = run(inserted(&["crash"]));
    assert_eq!(output.status.signal(), Some(SIGSEGV), "{output:?}");
    let report = String::from_utf8_lossy(&output.stderr);
    for part in ["crashed: SIGSEGV", "function_that_crashes", "function_that_calls", " main+"] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
}

#[test]
fn interposing_works_on_this_system() {
    let mut command = inserted(&["socket"]);
    command.env("NOSIGPIPE_LOG", "summary");
    let output = run(command);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("2 broken pipes survived") && !told.contains("does not let"), "{told}");
}
