//! Every call that can break a pipe, on everything that can break, under every scope and every disposition of the program.

#![expect(clippy::panic, reason = "what a test can't do without is part of it")]

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;

use harness::{Outcome, SIGPIPE, Scratch, Subject, bare, preloaded, program};

const CALLS: [&str; 19] = [
    "write",
    "writev",
    "pwritev2",
    "send",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "raw-write",
    "raw-sendto",
    "asm-write",
    "asm-operand",
    "dprintf",
    "stdio",
    "sendfile",
    "splice",
    "raw-splice",
    "tee",
    "vmsplice",
    "raise",
];
const SENDERS: [&str; 4] = ["raise", "kill", "pthread_kill", "sigqueue"];
const DISPOSITIONS: [&str; 6] = ["-", "default", "ignore", "exit", "count", "reset"];

fn is_for_pipes(call: &str) -> bool {
    ["tee", "vmsplice"].contains(&call)
}

/// How it ended and what it said: all that the world sees of it.
fn seen(outcome: &Outcome) -> (Option<i32>, Option<i32>, String, String) {
    (outcome.code(), outcome.signal(), outcome.stdout(), outcome.stderr())
}

fn bare_run(call: &str, target: &str, disposition: &str) -> Outcome {
    bare(program("break")).args([call, target, disposition]).run()
}

fn run(scope: &str, call: &str, target: &str, disposition: &str) -> Outcome {
    preloaded(program("break")).scope(scope).args([call, target, disposition]).run()
}

#[test]
fn a_broken_socket_is_epipe_whatever_the_call_and_whatever_the_program_wishes() {
    for call in CALLS.into_iter().filter(|call| !is_for_pipes(call) && !SENDERS.contains(call)) {
        for target in ["tcp", "unix"] {
            bare_run(call, target, "-").assert_killed_by(SIGPIPE);
            for scope in ["process", "sockets", "tree"] {
                for disposition in DISPOSITIONS {
                    let outcome = run(scope, call, target, disposition);
                    outcome.assert_silent_success();
                    let stdout = outcome.stdout();
                    assert!(
                        stdout.lines().all(|line| line == "-1 EPIPE handler ran 0"),
                        "{scope} {disposition}: {outcome}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_broken_pipe_does_in_scope_sockets_what_it_does_bare() {
    for call in CALLS {
        for target in ["pipe", "fifo"] {
            for disposition in DISPOSITIONS {
                assert_eq!(
                    seen(&run("sockets", call, target, disposition)),
                    seen(&bare_run(call, target, disposition)),
                    "{call} {target} {disposition}"
                );
            }
        }
    }
}

#[test]
fn a_broken_pipe_does_in_scopes_process_and_tree_what_the_program_wishes_and_else_is_epipe() {
    for call in CALLS {
        for disposition in DISPOSITIONS {
            let expected = seen(&bare_run(call, "pipe", if disposition == "-" { "ignore" } else { disposition }));
            for scope in ["process", "tree"] {
                assert_eq!(seen(&run(scope, call, "pipe", disposition)), expected, "{scope} {call} {disposition}");
            }
        }
    }
}

#[test]
fn a_signal_that_was_sent_does_what_the_program_wishes() {
    for call in SENDERS {
        for disposition in DISPOSITIONS {
            for target in ["pipe", "unix"] {
                assert_eq!(
                    seen(&run("sockets", call, target, disposition)),
                    seen(&bare_run(call, target, disposition)),
                    "{call} {disposition}"
                );
                let expected = seen(&bare_run(call, target, if disposition == "-" { "ignore" } else { disposition }));
                assert_eq!(seen(&run("process", call, target, disposition)), expected, "{call} {disposition}");
            }
        }
    }
}

#[test]
fn scope_off_changes_nothing() {
    for call in CALLS {
        for target in ["tcp", "pipe"] {
            for disposition in ["-", "ignore", "count"] {
                assert_eq!(
                    seen(&run("off", call, target, disposition)),
                    seen(&bare_run(call, target, disposition)),
                    "{call} {target} {disposition}"
                );
            }
        }
    }
}

#[test]
fn counting_changes_nothing_but_the_count() {
    for call in CALLS.into_iter().chain(SENDERS) {
        for disposition in DISPOSITIONS {
            for target in ["unix", "pipe"] {
                for scope in ["process", "sockets", "tree"] {
                    let counted =
                        preloaded(program("break")).scope(scope).log("summary").args([call, target, disposition]).run();
                    let quiet = run(scope, call, target, disposition);
                    assert_eq!(
                        (counted.status, counted.stdout()),
                        (quiet.status, quiet.stdout()),
                        "{scope} {call} {target} {disposition}"
                    );
                }
            }
        }
    }
}

#[test]
fn each_survived_broken_pipe_is_a_line_where_that_was_asked_for() {
    for (call, name) in
        [("write", "write"), ("send", "send"), ("sendmsg", "sendmsg"), ("sendfile", "sendfile"), ("splice", "splice")]
    {
        let outcome = preloaded(program("break")).log("broken-pipes").args([call, "tcp"]).run();
        outcome.assert_code(0);
        let stderr = outcome.stderr();
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{outcome}");
        for line in lines {
            assert!(line.starts_with(&format!("nosigpipe: broken pipe survived in {name}, descriptor ")), "{outcome}");
            assert!(line.contains(", peer 127.0.0.1:") && line.contains(", in break["), "{outcome}");
        }
    }
    let outcome = preloaded(program("break")).log("broken-pipes").args(["write", "unix"]).run();
    assert!(outcome.stderr().contains("peer on a unix socket"), "{outcome}");
}

#[test]
fn the_summary_is_one_line_at_exit() {
    let outcome = preloaded(program("break")).log("summary").args(["write", "tcp"]).run();
    let stderr = outcome.stderr();
    let (line, pid) = stderr.trim_end().rsplit_once('[').unwrap_or_default();
    assert_eq!(line, "nosigpipe: 2 broken pipes survived, 2 sockets made, 1 accepted, in break", "{outcome}");
    assert!(pid.strip_suffix(']').is_some_and(|pid| pid.parse::<u32>().is_ok()), "{outcome}");
}

#[test]
fn a_family_that_refuses_the_flag_is_called_without_it() {
    let outcome = bare(program("refuses_flag")).run();
    let expected = "send 16 -\nsendto 16 -\nsendmsg 16 -\nsendmmsg 1 -\nsend -1 EINVAL\n";
    outcome.assert_silent_success().assert_stdout(expected);
    for scope in ["process", "sockets"] {
        preloaded(program("refuses_flag")).scope(scope).run().assert_silent_success().assert_stdout(expected);
    }
}

/// A standard output that nobody reads any more: one end of a socketpair, or a connection to a socket that has a name.
fn closed_stdout(is_pair: bool) -> std::io::Result<OwnedFd> {
    if is_pair {
        return Ok(UnixStream::pair()?.0.into());
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = UnixListener::bind(&path)?;
    let stdout = UnixStream::connect(&path)?;
    listener.accept()?;
    Ok(stdout.into())
}

fn onto_closed(shell: Subject, script: &str, is_pair: bool) -> Outcome {
    let stdout = closed_stdout(is_pair).map_or_else(|error| panic!("{error}"), Stdio::from);
    shell
        .args(["-c", script])
        .command(|command| {
            command.stdout(stdout);
        })
        .run()
}

#[test]
fn a_socketpair_in_place_of_a_standard_stream_is_a_pipe() {
    for shell in ["bash", "dash"] {
        for scope in ["process", "sockets"] {
            let outcome = onto_closed(preloaded(shell).scope(scope), "while :; do echo y; done", true);
            outcome.assert_killed_by(SIGPIPE).assert_silent();
        }
    }
}

#[test]
fn a_connection_in_place_of_a_standard_stream_is_a_connection() {
    onto_closed(bare("bash"), "echo y; exit 5", false).assert_killed_by(SIGPIPE);
    let outcome = onto_closed(preloaded("bash"), "/bin/echo y; exit 5", false);
    outcome.assert_code(5);
    assert_eq!(outcome.stderr(), "/bin/echo: write error: Broken pipe\n");
}

#[test]
fn a_socket_pair_that_was_made_one_way_is_a_pipe() {
    // As ksh93 makes its pipelines. The shell itself is not needed for that.
    for disposition in DISPOSITIONS {
        let expected = seen(&bare_run("write", "one-way", disposition));
        assert_eq!(seen(&run("sockets", "write", "one-way", disposition)), expected, "{disposition}");
    }
}
