//! `demo`, as `cargo run --release -- demo` runs it.

use std::os::unix::process::CommandExt;

use harness::{bare, launcher, root};

use crate::scratch::nosigpipe;

#[test]
fn the_server_dies_bare_and_survives_every_client_with_the_library() {
    let outcome = nosigpipe().args(["demo", "--clients", "1234"]).run();
    outcome.assert_code(0);
    let text = outcome.stdout();
    assert!(text.contains("the server is dead: SIGPIPE, exit code 141"), "{outcome}");
    assert!(text.contains("survived 1234 broken pipes: write 1234; "), "{outcome}");
    assert!(text.contains("and ends with exit code 0"), "{outcome}");
    // The library's own line.
    assert!(outcome.stderr().starts_with("nosigpipe: 1234 broken pipes survived, "), "{outcome}");
    // And a crash has a report.
    assert!(text.contains("the server is dead: SIGSEGV, exit code 139"), "{outcome}");
    let report = outcome.stderr().split_once('\n').map(|(_, report)| report.to_owned()).unwrap_or_default();
    let start: String = report.lines().take(10).collect();
    assert!(start.contains("crashed: SIGSEGV") && start.contains("demo_server_looks_up_session"), "{outcome}");
}

#[test]
fn the_demo_works_with_sigpipe_ignored_around_it() {
    let outcome = bare("sh").args(["-c", "trap '' PIPE; exec \"$0\" demo --clients 10"]).arg(launcher()).run();
    outcome.assert_code(0);
}

/// cargo builds no library for `cargo run`: the launcher has it built.
#[test]
fn under_cargo_the_library_is_built_first() {
    let outcome = bare(launcher()).args(["demo", "--clients", "10"]).current_dir("/").command(|command| {
        command
            .env("CARGO_PKG_NAME", "nosigpipe")
            .env("CARGO_MANIFEST_DIR", root())
            .env("CARGO", std::env::var_os("CARGO").unwrap_or("cargo".into()))
            .arg0("nosigpipe");
    });
    let outcome = outcome.limit(std::time::Duration::from_secs(300)).run();
    outcome.assert_code(0);
    assert!(!outcome.stderr().contains("warning"), "{outcome}");
}
