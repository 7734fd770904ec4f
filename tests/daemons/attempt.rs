//! `nosigpipe try` with a daemon: its verdict is that of strace(1), which sees every signal that ends a process.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use harness::{bare, launcher};

use crate::table::{Daemon, Place};

/// Has clients vanish, and compares how many processes strace saw end by SIGPIPE with what `try` says.
pub fn says_what_strace_sees(daemon: &Daemon) {
    let place = Place::new();
    let command = (daemon.command)(&place);
    let (with, _) = tried(&place, command);
    assert!(!with.contains("died of"), "{with}");
}

/// A program for each client, as inetd starts it, with the connection as its standard input and output: it has the library if it is
/// handed on, and if it is not, `try` says why programs die with the library, too.
pub fn says_why_programs_of_socket_activation_die() {
    let place = Place::new();
    // Programs that write go on writing when the client has gone.
    let script = place.write("service.sh", b"#!/bin/sh\nread line\nseq 1 20000\nsleep 0.1\nseq 1 20000\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let listen = format!("--listen=127.0.0.1:{}", place.port);
    for handed_on in [true, false] {
        let words = ["systemd-socket-activate", "--accept", "--inetd", &listen, "--setenv=LD_PRELOAD"];
        let words = if handed_on { &words[..] } else { &words[..4] };
        let (with, verdict) = tried(&place, [words, &[&script]].concat().into_iter().map(str::to_owned).collect());
        // The kernel does not tell everywhere of processes that are others' to wait for.
        let tells = verdict.lines().next().is_some_and(|bare| bare.contains("died of SIGPIPE"));
        assert_eq!(with.contains("died of SIGPIPE"), tells && !handed_on, "{with}\n{verdict}");
        assert_eq!(verdict.contains("started without the library"), tells && !handed_on, "{with}\n{verdict}");
    }
}

/// What `try` says of the server with the library, and at the end, when what it says of it bare is what strace has seen.
fn tried(place: &Place, command: Vec<String>) -> (String, String) {
    let log = place.path.join("strace.log");
    let outcome = bare(launcher())
        .args(["try", "--clients", "4", "--"])
        .args(["strace", "-f", "-A", "-o"])
        .arg(&log)
        .args(["-e", "trace=none", "-e", "signal=SIGPIPE"])
        .args(command)
        .limit(Duration::from_secs(240))
        .run();
    let text = outcome.stdout();
    let log = fs::read_to_string(&log).expect("strace has written what it saw");
    let deaths = log.matches("killed by SIGPIPE").count();
    let (bare, rest) = text.split_once("\nThe server with the library:").unwrap_or_else(|| panic!("{outcome}"));
    let (with, verdict) = rest.split_once("\nAs it is, ").unwrap_or_else(|| panic!("{outcome}"));
    // One that ends the server, or one that lived for a client.
    let said = bare.matches("died of SIGPIPE").count();
    assert_eq!(said > 0, deaths > 0, "strace saw {deaths} processes end by SIGPIPE\n{outcome}");
    assert!(verdict.contains("With the library, it survived "), "{outcome}");
    assert_eq!(outcome.code(), Some(0), "{outcome}");
    (with.to_owned(), verdict.to_owned())
}
