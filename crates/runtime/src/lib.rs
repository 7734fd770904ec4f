//! What a hook or a signal handler can reach. The contract with the host program stands on top of `src/lib.rs`.
//!
//! Nothing here allocates. On Linux it can't: neither this crate nor one that it uses names `alloc` or `std`, so that there is
//! no `Box`, no `format!`, no `to_vec` and no lock to be had. On macOS redhook, which exports the hooks, needs the standard
//! library; that the same files are compiled for Linux, too, holds the law for what both systems share.
//!
//! What writes a crash report does allocate: it is handed to [`crash::start`] as [`crash::Reporter`].

#![cfg_attr(target_os = "linux", no_std)]

pub mod arch;
pub mod crash;
pub mod fork;
pub mod hooks;
pub mod platform;
pub mod signals;
pub mod sigpipe;
pub mod state;
