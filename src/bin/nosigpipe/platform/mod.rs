//! What differs between systems. Each provides:
//!
//! - [`LIBRARY`], [`PRELOAD`]: the library's file name and the variable that has it loaded;
//! - [`NEAR`]: where else than on every system the library is from the launcher;
//! - [`preload_list`], [`unable_to_preload`]: that variable's value, and why a file can't be named in it;
//! - [`expand`]: a name with the loader's own tokens replaced, such as `$ORIGIN`;
//! - [`facts`], [`ALWAYS`]: for `doctor`, what matters of this machine, and what works on no machine;
//! - [`exports`]: names that a library exports; [`hooks`]: functions that it stands in front of;
//! - [`Image::read`]: what an executable file is; [`Image::objection`]: why the library can't be loaded into it, and
//!   [`Image::remark`]: what its user should know;
//! - [`mismatch`]: why this library and this program do not fit, though each might others;
//! - [`gained_rights`]: why the system would start a file in secure mode;
//! - [`MAX_INTERPRETERS`], [`SHEBANG_MAX`], [`SPLITS_SHEBANG_ARGUMENTS`]: how the kernel reads `#!` lines;
//! - [`WAYS`]: how the calls that could bring SIGPIPE, or change what it does, are covered;
//! - [`dependencies`]: the libraries that a program is linked with, and what it and they import;
//! - [`UNCOUNTED_CALLS`], [`UNCOUNTED_ONLY_WHILE_IGNORED`]: calls whose broken pipes are not counted, and when;
//! - [`SIGPIPE_HANDLER_OWNER`]: whose handler for SIGPIPE the kernel has, while the library answers when the program asks;
//! - [`family`]: the processes that one has started, and where they listen;
//! - [`process::inspect`]: a running process's signals, and its library with that one's state; [`process::all`]: all processes;
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
    pub limits: Vec<String>,
}
