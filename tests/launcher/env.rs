//! `env`: the lines do in each shell and file what `run` does.

use harness::{bare, launcher, library};

use crate::scratch::{Scratch, assert_refused, nosigpipe};

/// Evaluates the lines in a shell and shows what a program then has.
fn evaluated(shell: &str, script: &str, preloaded: &str) -> String {
    let outcome = bare(shell).args(["-c", script]).env("NOSIGPIPE", launcher()).env("LD_PRELOAD", preloaded).run();
    outcome.assert_silent_success();
    outcome.stdout()
}

const SHOW: &str = "env | grep -E '^(LD_PRELOAD|NOSIGPIPE_(SCOPE|ONLY))=' | sort";
/// A value that every shell would like to have a word in.
const WORD: &str = "it's,$HOME,\\,!x,\"q\",*,50%";

#[test]
fn every_shell_ends_up_with_the_library_and_the_settings() {
    let expected = format!(
        "LD_PRELOAD={}:/lib/x86_64-linux-gnu/libm.so.6\nNOSIGPIPE_ONLY={WORD}\nNOSIGPIPE_SCOPE=sockets\n",
        library().display()
    );
    let flags = format!("--scope sockets --only '{}'", WORD.replace('\'', "'\\''"));
    for shell in ["sh", "bash", "dash", "zsh", "busybox"] {
        let name = if shell == "busybox" { "sh" } else { shell };
        let script = format!("eval \"$(\"$NOSIGPIPE\" env --for {name} {flags})\"; {SHOW}");
        let (program, script) = match shell {
            "busybox" => ("sh", format!("exec busybox sh -c '{}'", script.replace('\'', "'\\''"))),
            shell => (shell, script),
        };
        assert_eq!(evaluated(program, &script, "/lib/x86_64-linux-gnu/libm.so.6"), expected, "{shell}");
    }
    // Its quotes are its own.
    let flags = format!("--scope sockets --only '{}'", WORD.replace('\\', "\\\\").replace('\'', "\\'"));
    let script = format!("$NOSIGPIPE env --for fish {flags} | source; {SHOW}");
    assert_eq!(evaluated("fish", &script, "/lib/x86_64-linux-gnu/libm.so.6"), expected);
    // By another name of the same shell's, as one who uses it would say it.
    let script = format!("eval `$NOSIGPIPE env --for tcsh --scope sockets`; {SHOW}");
    let expected = format!("LD_PRELOAD={}\nNOSIGPIPE_SCOPE=sockets\n", library().display());
    assert_eq!(evaluated("tcsh", &script, ""), expected);
}

#[test]
fn evaluated_twice_it_is_there_once() {
    let lines = "eval \"$(\"$NOSIGPIPE\" env)\"";
    let shown = evaluated("sh", &format!("{lines}; {lines}; {SHOW}"), "");
    assert_eq!(shown, format!("LD_PRELOAD={}\n", library().display()));
}

#[test]
fn files_are_for_elsewhere_and_have_nothing_of_what_is_preloaded_here() {
    let path = library().display();
    for (format, expected) in [
        ("dockerfile", format!("ENV LD_PRELOAD=\"{path}\"\nENV NOSIGPIPE_REPORT=\"/a b/\\$c\\\"\"\n")),
        ("systemd", format!("Environment=\"LD_PRELOAD={path}\"\nEnvironment=\"NOSIGPIPE_REPORT=/a b/$c\\\"\"\n")),
        ("plain", format!("LD_PRELOAD={path}\nNOSIGPIPE_REPORT=/a b/$c\"\n")),
    ] {
        let outcome = nosigpipe().args(["env", "--for", format, "--report", "/a b/$c\""]);
        let outcome = outcome.env("LD_PRELOAD", "/lib/x86_64-linux-gnu/libm.so.6").run();
        outcome.assert_silent_success().assert_stdout(&expected);
    }
    let github =
        nosigpipe().args(["env", "--for", "github"]).env("LD_PRELOAD", "/lib/x86_64-linux-gnu/libm.so.6").run();
    github.assert_silent_success().assert_stdout(&format!("LD_PRELOAD={path}:/lib/x86_64-linux-gnu/libm.so.6\n"));
}

#[test]
fn systemd_reads_what_was_set() {
    let scratch = Scratch::new();
    let unit = nosigpipe().args(["env", "--for", "systemd", "--only", WORD]).run();
    unit.assert_silent_success();
    let text = format!("[Service]\nExecStart=/bin/true\n{}", unit.stdout());
    let file = scratch.file("server.service", text, 0o644);
    // It may have something to say about the machine's own units.
    let said = bare("systemd-analyze").arg("verify").arg(file).run();
    assert!(!said.assert_code(0).stderr().contains("server.service"), "{said}");
}

#[test]
fn what_no_line_can_carry_and_wrong_settings_are_refused() {
    let line = "NOSIGPIPE_REPORT has characters in it that no line can carry";
    assert_refused(nosigpipe().args(["env", "--report", "/a\nexport X=1"]), 125, line);
    let line = "--scope=x is not allowed: it must be process, sockets, tree or off";
    assert_refused(nosigpipe().args(["env", "--scope", "x"]), 125, line);
}
