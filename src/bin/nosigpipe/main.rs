//! The launcher: starts a program with the library in it, says beforehand why that could not work, and shows what the
//! library is doing in a running process.
//!
//! There is no Rust runtime around `main`. It would set SIGPIPE to SIG_IGN and open /dev/null in place of closed
//! standard descriptors, and the program that we become must start with what we were started with.
//!
//! Who may know whom: `exit` and `output` know nobody; `platform` is all that differs between
//! Linux and macOS; `preflight` and `library` know `platform`; each of the `commands` is a file, and `cli` is their
//! table.

#![no_main]

mod cli;
mod commands;
mod coverage;
mod exit;
mod library;
mod output;
mod platform;
mod preflight;
mod snapshot;

use std::ffi::{c_char, c_int};

/// What the C runtime calls. The arguments are read through std.
#[unsafe(no_mangle)]
extern "C" fn main(_count: c_int, _arguments: *const *const c_char) -> c_int {
    let code = match cli::run() {
        Ok(code) => code,
        Err(failure) => {
            output::complain(&failure.message);
            failure.code
        }
    };
    c_int::from(code)
}
