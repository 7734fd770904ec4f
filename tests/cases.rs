//! The programs in tests/cases, each bare and with the library, as tests/cases/run.py judges them.
//!
//! `cargo test --test cases -- fork thread` runs the cases whose names contain one of the words. A case that can't be run here
//! (it needs root, say) is skipped, with the reason.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a test fails by panicking, and this one prints a table")]

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::{Command, ExitCode};

    // Flags are meant for the tests that Rust's own harness runs.
    let words: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if std::env::args().any(|argument| argument == "--list") {
        println!("0 tests; tests/cases/run.py --list names the cases");
        return ExitCode::SUCCESS;
    }
    let run = harness::root().join("tests/cases/run.py");
    // The Python that has the modules that some cases need.
    let mut command = Command::new(harness::python_environment().join("bin/python"));
    command.arg(run).arg("--library").arg(harness::library()).arg("--launcher").arg(harness::launcher());
    if !words.is_empty() {
        let patterns: Vec<_> = words.iter().map(|word| format!("*{word}*")).collect();
        command.arg("--only").arg(patterns.join(","));
    }
    let status = command.status().expect("Python starts");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the cases are for Linux");
}
