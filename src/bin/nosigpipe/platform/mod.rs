//! All that differs between systems. Each provides:
//!
//! - [`LIBRARY`], [`PRELOAD`]: the library's file name and the variable that has it loaded;
//! - [`NEAR`]: where else than on every system the library is from the launcher;
//! - [`preload_list`], [`unable_to_preload`]: that variable's value, and why a file can't be named in it;
//! - [`expand`]: what the loader makes of its own words in a name;
//! - [`facts`], [`ALWAYS`]: what of this machine matters to us, and what works on none, for `doctor`;
//! - [`exports`]: names that a library exports; [`hooks`]: functions that it stands in front of;
//! - [`Image::read`]: what an executable file is; [`Image::objection`]: why the library can't be loaded into it, and
//!   [`Image::remark`]: what its user should know;
//! - [`mismatch`]: why this library and this program do not fit, though each might others;
//! - [`gained_rights`]: why the system would start a file in secure mode;
//! - [`MAX_INTERPRETERS`], [`HEAD`], [`SPLITS_LINES`]: how the kernel reads `#!` lines;
//! - [`WAYS`]: how the calls that could bring SIGPIPE, or change what it does, are covered;
//! - [`dependencies`]: the libraries that a program is linked with, and what it and they import;
//! - [`NOT_COUNTED`], [`ONLY_WHILE_IGNORED`]: calls whose broken pipes nobody counts, and when;
//! - [`WHOSE_HANDLER`]: whose handler for SIGPIPE the kernel has where the library answers for it;
//! - [`family`]: the processes that one has started, and where they listen;
//! - [`process::inspect`]: what a running process has of us; [`process::all`]: the processes that there are;
//! - [`stacks::look`]: the stacks of a running process.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "macos")]
pub use macos::*;

/// Something about this machine.
pub struct Fact {
    /// In a word or two.
    pub name: &'static str,
    /// How it is.
    pub value: String,
    /// What will not work for it.
    pub limit: Option<String>,
}
