//! What the launcher prints: help, the manual page, and nothing that panics.

use harness::{bare, root};
use settings::options::SETTINGS;

use crate::scratch::{assert_refused, nosigpipe};

#[test]
fn help_manual_page_and_readme_show_every_setting_with_its_variable() {
    let help = nosigpipe().args(["run", "--help"]).run();
    help.assert_silent_success();
    let page = nosigpipe().arg("man").run();
    page.assert_silent_success();
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for setting in &SETTINGS {
        let (flag, variable) = (setting.flag, setting.variable);
        assert_eq!(variable, format!("NOSIGPIPE_{}", flag.to_uppercase().replace('-', "_")));
        assert!(help.stdout().contains(&format!("--{flag} <")) && help.stdout().contains(variable), "{flag}\n{help}");
        let escaped = flag.replace('-', "\\-");
        assert!(
            page.stdout().contains(&format!("\\-\\-{escaped}")) && page.stdout().contains(variable),
            "{flag}\n{page}"
        );
        // The values in its line there begin with the default.
        let row = format!("| `{variable}` | ");
        let Some(row) = readme.lines().find_map(|line| line.strip_prefix(&row)) else {
            panic!("{variable} in README.md")
        };
        let default = Some(setting.default).filter(|default| !default.is_empty());
        assert!(default.is_none_or(|default| row.starts_with(&format!("`{default}`"))), "{variable}: {row}");
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

const COMMANDS: [&str; 11] =
    ["run", "check", "env", "try", "status", "stack", "report", "doctor", "demo", "man", "completions"];

#[test]
fn help_lists_every_command_in_its_group_and_every_variable() {
    let help = nosigpipe().arg("help").run();
    help.assert_silent_success().assert_stdout(&nosigpipe().arg("--help").run().stdout());
    let text = help.stdout();
    let mut at = 0;
    for part in ["\nStart a program:\n  run ", "\nLook at a process or a crash:\n  status ", "\nThis installation:\n"] {
        at += text[at..].find(part).unwrap_or_else(|| panic!("{part:?}\n{help}"));
    }
    for command in COMMANDS {
        assert!(text.contains(&format!("\n  {command} ")), "{command}\n{help}");
        let about = nosigpipe().args(["help", command]).run();
        about.assert_silent_success().assert_stdout(&nosigpipe().args([command, "--help"]).run().stdout());
    }
    for setting in &SETTINGS {
        assert!(text.contains(setting.variable), "{}\n{help}", setting.variable);
    }
}

#[test]
fn the_manual_page_has_every_section_and_man_has_nothing_to_complain_of() {
    let page = nosigpipe().arg("man").env("SOURCE_DATE_EPOCH", "1700000000").run();
    page.assert_silent_success();
    let text = page.stdout();
    assert!(text.contains(".TH NOSIGPIPE 1 2023-11-14"), "{page}");
    let mut at = 0;
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"] {
        let heading = [format!("\n.SH {section}\n"), format!("\n.SH \"{section}\"\n")];
        let found = heading.iter().find_map(|heading| text[at..].find(heading));
        at += found.unwrap_or_else(|| panic!("{section}, in its place\n{page}"));
    }
    for command in COMMANDS {
        assert!(text.contains(&format!("\\fBnosigpipe {command}\\fR")), "{command}\n{page}");
    }
    // What may be given, and what holds otherwise, as help says it.
    for part in
        ["one of: sh (commands for sh, ", "dockerfile (an ENV instruction)", "one of: http; grpc; ", "[default: 5000]"]
    {
        assert!(text.contains(part), "{part}\n{page}");
    }
    let groff = bare("groff").args(["-man", "-Tutf8", "-ww"]).stdin(text.as_bytes()).run();
    groff.assert_code(0).assert_silent();
    // It asks for its own language's macros and for short lines as matters of style.
    let lint = bare("mandoc").args(["-Tlint", "-Wwarning"]).stdin(text.as_bytes()).run();
    lint.assert_silent_success().assert_stdout("");
    assert!(!text.lines().any(|line| line.ends_with(' ')), "{page}");
    // No year that a calendar has.
    let page = nosigpipe().arg("man").env("SOURCE_DATE_EPOCH", "9000000000000000000").run();
    assert!(page.stdout().contains(".TH NOSIGPIPE 1  \"nosigpipe"), "{page}");
}

#[test]
fn the_version_is_the_packages() {
    let outcome = nosigpipe().arg("--version").run();
    outcome.assert_silent_success().assert_stdout(&format!("nosigpipe {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_one_line() {
    assert_refused(nosigpipe(), 125, "no command given; see nosigpipe --help");
    assert_refused(nosigpipe().arg("xyzzy"), 125, "unrecognized subcommand 'xyzzy'; see nosigpipe --help");
    assert_refused(
        nosigpipe().args(["run", "--colour", "x"]),
        125,
        "unexpected argument '--colour' found; see nosigpipe help run",
    );
    assert_refused(
        nosigpipe().arg("run"),
        125,
        "the following required arguments were not provided: <PROGRAM>...; see nosigpipe help run",
    );
    assert_refused(
        nosigpipe().args(["run", "--scope"]),
        125,
        "a value is required for '--scope <VALUE>' but none was supplied [possible values: process, sockets, tree, off]; see nosigpipe help run",
    );
    // No subcommand, or none that help knows.
    for words in [&["--colour"][..], &["help", "xyzzy"], &["demo-server", "--colour"]] {
        let outcome = nosigpipe().args(words).run();
        assert!(outcome.stderr().ends_with("; see nosigpipe --help\n"), "{outcome}");
    }
}

#[test]
fn a_wrong_value_is_told_before_what_is_missing() {
    let line = "--scope=true is not allowed: it must be process, sockets, tree or off";
    assert_refused(nosigpipe().args(["run", "--scope", "true"]), 125, line);
    assert_refused(nosigpipe().args(["run", "--scope=true", "true"]), 125, line);
}

#[test]
fn what_is_no_pid_is_told_in_plain_words() {
    for command in ["status", "stack"] {
        for (word, line) in [
            ("0", "0 is no process: the service isn't running?"),
            ("", "no PID was given"),
            (" \n", "no PID was given"),
            ("8819 8818", "8819 8818: give each PID as a word of its own"),
            ("8819\n8818", "8819?8818: give each PID as a word of its own"),
        ] {
            assert_refused(nosigpipe().args([command, word]), 125, line);
        }
        let line = "invalid value 'x' for '[PID]...': it must be the number of a process, from 1 to 2147483647";
        assert_refused(nosigpipe().args([command, "x"]), 125, &format!("{line}; see nosigpipe help {command}"));
    }
}

#[test]
fn a_number_that_is_none_is_told_which_would_do() {
    for (words, option, value, allowed) in [
        (&["try", "--clients", "0", "--", "true"][..], "--clients <NUMBER>", "0", "from 1 to 100000"),
        (&["try", "--port", "http", "--", "true"], "--port <PORT>", "http", "from 1 to 65535"),
        (&["try", "--wait", "", "--", "true"], "--wait <SECONDS>", "", "from 1 to 3600"),
        (&["demo", "--clients", "1000001"], "--clients <NUMBER>", "1000001", "from 1 to 1000000"),
    ] {
        let line = format!(
            "invalid value '{value}' for '{option}': it must be a number {allowed}; see nosigpipe help {}",
            words[0]
        );
        assert_refused(nosigpipe().args(words), 125, &line);
    }
}

#[test]
fn what_was_meant_is_said() {
    for (words, line) in [
        (&["rum"][..], "unrecognized subcommand 'rum' (did you mean 'run'?)"),
        (&["staus", "1"], "unrecognized subcommand 'staus' (did you mean 'status'?)"),
        (&["run", "--scop=tree", "x"], "unexpected argument '--scop' found (did you mean '--scope'?)"),
        (&["rnu"], "unrecognized subcommand 'rnu' (did you mean 'run'?)"),
        (&["doc"], "unrecognized subcommand 'doc' (did you mean 'doctor'?)"),
        (&["dmo"], "unrecognized subcommand 'dmo' (did you mean 'demo'?)"),
        (&["ls", "-l"], "unrecognized subcommand 'ls' (did you mean 'nosigpipe run -- ls'?)"),
        (&["true"], "unrecognized subcommand 'true' (did you mean 'try' or 'nosigpipe run -- true'?)"),
        (&["qqq"], "unrecognized subcommand 'qqq'"),
        (&["/bin/true"], "unrecognized subcommand '/bin/true' (did you mean 'nosigpipe run -- /bin/true'?)"),
    ] {
        let help = if words[0] == "run" { "help run" } else { "--help" };
        assert_refused(nosigpipe().args(words), 125, &format!("{line}; see nosigpipe {help}"));
    }
    let outcome = nosigpipe().args(["env", "--for=sytemd"]).run();
    assert!(outcome.stderr().contains("(did you mean 'systemd'?)"), "{outcome}");
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

#[test]
fn a_name_that_is_empty_is_called_so() {
    for (words, argument) in [
        (&["run", "--library=", "true"][..], "--library <FILE>"),
        (&["doctor", "--library="], "--library <FILE>"),
        (&["env", "--library="], "--library <FILE>"),
        (&["status", "--textfile=", "1"], "--textfile <FILE>"),
        (&["report", ""], "[FILE]..."),
        (&["report", "--debug-dir=", "x"], "--debug-dir <DIR>"),
        (&["try", "--request=", "true"], "--request <FILE>"),
    ] {
        let line = format!("invalid value '' for '{argument}': the name is empty; see nosigpipe help {}", words[0]);
        assert_refused(nosigpipe().args(words), 125, &line);
    }
}
