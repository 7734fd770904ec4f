//! `nosigpipe try` with a daemon: its verdict is that of strace(1), which sees every signal that ends a process.

use std::fs;
use std::time::Duration;

use harness::{bare, launcher};

use crate::table::{Daemon, Place};

/// Has clients vanish, and compares how many processes strace saw end by SIGPIPE with what `try` says.
pub fn says_what_strace_sees(daemon: &Daemon) {
    let place = Place::new();
    let command = (daemon.command)(&place);
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
    assert!(!with.contains("died of"), "{outcome}");
    assert!(verdict.contains("With the library, it survived "), "{outcome}");
    assert_eq!(outcome.code(), Some(0), "{outcome}");
}
