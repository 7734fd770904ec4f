//! The launcher, as its users have it: the release binary, real ELF files, real processes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and what it left out on standard error"
)]

mod attempt;
mod check;
mod completions;
mod debuginfod;
mod demo;
mod doctor;
mod env;
mod filters;
mod finding;
mod metrics;
mod outlives;
mod output;
mod refusing;
mod report;
mod running;
mod scratch;
mod status;
