//! signal(), sigaction() and their twins answer as they do bare.

#![expect(clippy::panic, reason = "what reads a program's answer is part of the test")]

use harness::{bare, library, preloaded, program};

#[test]
fn signal_calls_answer_as_bare_where_no_change_was_promised() {
    let expected = bare(program("signals")).run();
    expected.assert_silent_success();
    for scope in ["sockets", "off"] {
        let outcome = preloaded(program("signals")).scope(scope).run();
        outcome.assert_silent_success().assert_stdout(&expected.stdout());
    }
}

#[test]
fn in_scope_process_only_the_answer_to_the_first_question_differs() {
    let expected = bare(program("signals")).run().stdout();
    for scope in ["process", "tree"] {
        let outcome = preloaded(program("signals")).scope(scope).run();
        outcome.assert_silent_success();
        let stdout = outcome.stdout();
        let differing: Vec<_> =
            expected.lines().zip(stdout.lines()).filter(|(bare, preloaded)| bare != preloaded).collect();
        assert_eq!(expected.lines().count(), stdout.lines().count());
        assert_eq!(differing.len(), 2, "{differing:#?}");
        assert!(
            differing.iter().all(|(bare, preloaded)| bare.contains(": DFL ") && preloaded.contains(": IGN ")),
            "{differing:#?}"
        );
    }
}

#[test]
fn socket_calls_answer_as_bare() {
    let expected = bare(program("sockets")).run();
    expected.assert_silent_success();
    for scope in ["process", "sockets", "tree", "off"] {
        let outcome = preloaded(program("sockets")).scope(scope).run();
        outcome.assert_silent_success().assert_stdout(&expected.stdout());
    }
}

/// Bits of /proc/PID/status for SIGPIPE.
fn kernel(status: &str) -> &'static str {
    let has = |field: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap_or_else(|| panic!("no {field} in {status}"));
        u64::from_str_radix(line.trim(), 16).is_ok_and(|set| set & 1 << (libc::SIGPIPE - 1) != 0)
    };
    match (has("SigIgn:"), has("SigCgt:")) {
        (true, false) => "ignored",
        (false, true) => "caught",
        _ => "default",
    }
}

#[test]
fn the_kernel_says_that_the_started_process_ignores_sigpipe() {
    let scopes = [("process", "ignored"), ("sockets", "caught"), ("tree", "ignored"), ("off", "default")];
    for (scope, expected) in scopes {
        let outcome = preloaded("cat").scope(scope).arg("/proc/self/status").run();
        outcome.assert_silent_success();
        assert_eq!(kernel(&outcome.stdout()), expected, "{scope}");
    }
    assert_eq!(kernel(&bare("cat").arg("/proc/self/status").run().stdout()), "default");
}

#[test]
fn the_started_process_stays_it_through_every_exec() {
    for command in [
        "exec cat /proc/self/status",
        "exec sh -c 'exec env cat /proc/self/status'",
        "exec python3 -c '
import os
os.execvp(\"cat\", [\"cat\", \"/proc/self/status\"])'",
    ] {
        let outcome = preloaded("sh").args(["-c", command]).run();
        outcome.assert_silent_success();
        assert_eq!(kernel(&outcome.stdout()), "ignored", "{command}");
    }
}

#[test]
fn what_a_shell_starts_and_the_shell_itself_are_not_the_server() {
    for shell in ["sh", "bash", "dash", "zsh"] {
        let script = "cat /proc/$$/status; :";
        assert_eq!(kernel(&preloaded(shell).args(["-c", script]).run().stdout()), "caught", "{shell} itself");
        let script = "cat /proc/self/status; :";
        assert_eq!(kernel(&preloaded(shell).args(["-c", script]).run().stdout()), "caught", "child of {shell}");
    }
}

#[test]
fn a_process_that_ignores_sigpipe_by_itself_goes_on_doing_so() {
    let preload = format!("LD_PRELOAD={}", library().display());
    for scope in ["process", "sockets", "tree", "off"] {
        let arguments =
            ["--ignore-signal=PIPE", &format!("NOSIGPIPE_SCOPE={scope}"), &preload, "cat", "/proc/self/status"];
        assert_eq!(kernel(&bare("env").args(arguments).run().stdout()), "ignored", "{scope}");
    }
}

#[test]
fn sigaction_is_an_exchange_for_threads_and_signal_handlers_at_once() {
    let expected = "1 did not come back once, kernel has a handler 1, with the mask that is told 1\n";
    bare(program("races")).run().assert_silent_success().assert_stdout(expected);
    for scope in ["process", "sockets"] {
        preloaded(program("races")).scope(scope).run().assert_silent_success().assert_stdout(expected);
    }
}

#[test]
fn signal_and_its_twins_are_those_that_the_program_was_linked_with() {
    let expected = bare(program("twins")).run();
    expected.assert_silent_success();
    assert!(expected.stdout().contains("stays 0"), "none is System V's: the test shows nothing");
    for scope in ["process", "sockets", "off"] {
        preloaded(program("twins")).scope(scope).run().assert_silent_success().assert_stdout(&expected.stdout());
    }
    let inert = preloaded(program("twins")).env("NOSIGPIPE_ONLY", "another").run();
    inert.assert_silent_success().assert_stdout(&expected.stdout());
}
