//! All that differs between systems. Each provides:
//!
//! - [`LIBRARY`], [`PRELOAD`]: the library's file name and the variable that has it loaded;
//! - [`preload_list`], [`unable_to_preload`]: that variable's value, and why a file can't be named in it;
//! - [`exports`]: names that a library exports;
//! - [`Image::read`]: what an executable file is; [`Image::objection`]: why the library can't be loaded into it, and
//!   [`Image::remark`]: what its user should know;
//! - [`mismatch`]: why this library and this program do not fit, though each might others;
//! - [`gained_rights`]: why the system would start a file in secure mode;
//! - [`dependencies`]: the libraries that a program is linked with, and what it and they import;
//! - [`REPORTS_CRASHES`]: whether the library does so there;
//! - [`NOT_COUNTED`], [`ONLY_WHILE_IGNORED`]: calls whose broken pipes nobody counts, and when;
//! - [`WHOSE_HANDLER`]: whose handler for SIGPIPE the kernel has where the library answers for it;
//! - [`process::inspect`]: what a running process has of us.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::*;

#[cfg(target_os = "macos")]
mod macos;

#[cfg(target_os = "macos")]
pub use macos::*;
