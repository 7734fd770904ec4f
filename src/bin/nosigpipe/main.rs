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

use std::ffi::{CStr, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

/// What the C runtime calls. std knows no arguments where libc does not run its constructor: a program that was linked with
/// glibc 2.34 or newer has none run by an older one.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    let arguments = (0..count.unsigned_abs() as usize).map(|index| {
        // SAFETY: the C runtime's array has as many strings.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
        OsStr::from_bytes(argument.to_bytes()).to_owned()
    });
    let code = match cli::run(arguments) {
        Ok(code) => code,
        Err(failure) => {
            output::complain(&failure.message);
            failure.code
        }
    };
    c_int::from(code)
}
