//! The zoo: one small program per way to die, each compiled twice, with and without frame pointers. It is run bare and
//! with the library, and judged from outside: how it ended, whether it hung, and what the report says.
//!
//! `cargo test --test crash_zoo -- overflow several` runs the cases whose names contain one of the words;
//! `-- --gdb` judges what gdb says about the same programs instead, where it can be compared; `-- --comparable` judges the library
//! on those alone; `-- --verbose` shows every report that is wrong in full. For another machine (scripts/test-arm64 --zoo): `-- --build` only
//! compiles the programs, `-- --reports FILE` keeps the reports for `-- --judge FILE` to hold them against the schema, and `-- --slow`
//! waits longer.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and this one prints a table"
)]

#[cfg(target_os = "linux")]
mod cases;
#[cfg(target_os = "linux")]
mod core_file;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod schema;
#[cfg(target_os = "linux")]
mod zoo;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    zoo::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the zoo is for Linux");
}
