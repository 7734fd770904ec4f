//! What the launcher prints: help, the manual page, and nothing that panics.

use harness::bare;

use crate::scratch::{assert_refused, nosigpipe};

const FLAGS: [&str; 10] =
    ["scope", "crash", "crash-signals", "crash-timeout", "threads", "report", "format", "core", "only", "log"];

#[test]
fn help_and_manual_page_show_every_setting_with_its_variable() {
    let help = nosigpipe().args(["run", "--help"]).run();
    help.assert_silent_success();
    let page = nosigpipe().arg("man").run();
    page.assert_silent_success();
    for flag in FLAGS {
        let variable = format!("NOSIGPIPE_{}", flag.to_uppercase().replace('-', "_"));
        assert!(help.stdout().contains(&format!("--{flag} <")) && help.stdout().contains(&variable), "{flag}\n{help}");
        let escaped = flag.replace('-', "\\-");
        assert!(
            page.stdout().contains(&format!("\\-\\-{escaped}")) && page.stdout().contains(&variable),
            "{flag}\n{page}"
        );
    }
}

#[test]
fn help_shows_every_exit_code() {
    let outcome = nosigpipe().arg("--help").run();
    outcome.assert_silent_success();
    for code in ["125", "126", "127", "no such process", "no permission"] {
        assert!(outcome.stdout().contains(code), "{code}\n{outcome}");
    }
    assert!(!outcome.stdout().contains("demo-server"), "{outcome}");
}

#[test]
fn the_version_is_the_packages() {
    let outcome = nosigpipe().arg("--version").run();
    outcome.assert_silent_success().assert_stdout(&format!("nosigpipe {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_one_line() {
    assert_refused(nosigpipe(), 125, "no command given; see nosigpipe --help");
    assert_refused(nosigpipe().arg("runn"), 125, "unrecognized subcommand 'runn'; see nosigpipe --help");
    assert_refused(
        nosigpipe().args(["run", "--colour", "x"]),
        125,
        "unexpected argument '--colour' found; see nosigpipe --help",
    );
    assert_refused(
        nosigpipe().arg("run"),
        125,
        "the following required arguments were not provided: <PROGRAM>...; see nosigpipe --help",
    );
    assert_refused(
        nosigpipe().args(["run", "--scope"]),
        125,
        "a value is required for '--scope <VALUE>' but none was supplied; see nosigpipe --help",
    );
}

#[test]
fn names_from_outside_cannot_break_the_line() {
    assert_refused(nosigpipe().args(["run", "a\nb\x1b[31m"]), 127, "a?b?[31m: not found in PATH");
}

#[test]
fn a_closed_or_full_standard_output_is_an_error_and_no_panic() {
    let shell = |script: &str| bare("sh").args(["-c", script]).arg(harness::launcher());
    assert_refused(shell("exec \"$0\" --help >/dev/full"), 125, "standard output: no space left on device");
    assert_refused(shell("exec \"$0\" --help >&-"), 125, "standard output: bad file descriptor");
    shell("exec \"$0\" run --wrong 2>&-").run().assert_code(125).assert_silent().assert_stdout("");
}
