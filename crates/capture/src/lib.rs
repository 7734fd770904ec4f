//! Reads a crashed process and writes its report.
//!
//! On Linux it runs in a copy of that process, on macOS in the crashed thread. It has one thread, lives for a second, and
//! allocates from memory of its own, the [`arena`].

#![cfg_attr(target_os = "linux", no_std)]

extern crate alloc;

pub mod arena;
mod collect;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
mod process;

use runtime::crash::Reporter;
use symbols::demangle::Demangled;

/// What systems have: of the runtime, and for the writing of a report.
mod platform {
    #[cfg(target_os = "linux")]
    pub use crate::linux::*;
    #[cfg(target_os = "macos")]
    pub use crate::macos::*;
    pub use runtime::platform::*;
}

/// What [`runtime::crash::start`] is handed.
pub static REPORTER: Reporter = Reporter {
    write: collect::write,
    start_anew: || {
        arena::start_anew();
        symbols::elf::start_anew();
    },
    demangle: |symbol, to| {
        let _ = write!(to, "{}", Demangled(symbol));
    },
    keep_in_reserve: arena::keep_in_reserve,
    resume_threads: platform::resume_threads,
};
