//! How the calls that could bring SIGPIPE, or change what it does, are covered: each system has its table.

use crate::platform::WAYS;

/// A way of being covered.
pub struct Way {
    /// For programs.
    pub id: &'static str,
    /// For people.
    pub explanation: &'static str,
    /// Whether the library must stand in front of the function for it.
    pub needs_hook: bool,
    /// Functions that are covered so.
    pub calls: &'static [&'static str],
}

static OTHER: Way =
    Way { id: "other", explanation: "taken by the library for its other work", needs_hook: true, calls: &[] };

static NOT_COVERED: Way = Way { id: "none", explanation: "NOT COVERED by this library", needs_hook: false, calls: &[] };

/// How a function that a program imports is covered, by a library that stands in front of these; `None` for functions
/// that have nothing to do with any of it. The hooks are read from the library's own file.
pub fn of(function: &str, hooks: &[String]) -> Option<&'static Way> {
    let is_hooked = hooks.iter().any(|name| name == function);
    match WAYS.iter().find(|way| way.calls.contains(&function)) {
        Some(way) if way.needs_hook && !is_hooked => Some(&NOT_COVERED),
        Some(way) => Some(way),
        None => is_hooked.then_some(&OTHER),
    }
}

/// Every way once, in the order in which they are shown.
pub fn ways() -> impl Iterator<Item = &'static Way> {
    [&NOT_COVERED].into_iter().chain(&WAYS).chain([&OTHER])
}
