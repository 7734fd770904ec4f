//! What the library says about a running process: read by the launcher, as users do.

use serde_json::Value;

use crate::{bare, launcher};

/// `nosigpipe status PID --json`
pub fn status(pid: i32) -> Value {
    let outcome = bare(launcher()).arg("status").arg(pid.to_string()).arg("--json").run();
    outcome.assert_silent_success();
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

/// One number out of the status, by its JSON pointer, e.g. "/counters/accepted".
pub fn counter(pid: i32, pointer: &str) -> u64 {
    let status = status(pid);
    status.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no number {pointer} in {status:#}"))
}

/// How many broken pipes the process has survived, over all calls.
pub fn broken_pipes(pid: i32) -> u64 {
    let status = status(pid);
    let calls = status.pointer("/counters/broken_pipes").and_then(Value::as_object);
    let calls = calls.unwrap_or_else(|| panic!("no broken pipes in {status:#}"));
    calls.values().filter_map(Value::as_u64).sum()
}
