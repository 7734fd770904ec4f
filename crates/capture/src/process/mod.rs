//! What a crash report is made from, on every platform. This is for where a report is written, and nowhere else: it
//! allocates.
//!
//! Each platform's folder `report` provides, in files of the same names:
//!
//! - `map.rs`: [`read_map`](super::read_map), and what its unwinder needs to know of a module,
//!   [`Parts`](super::Parts)
//! - `message.rs`: [`last_words`](super::last_words), what the system's libraries say before they abort
//! - `symbols.rs`: [`Symbols`], [`symbols`](super::symbols) and where separate debug files are,
//!   [`DEBUG_DIRECTORIES`](super::DEBUG_DIRECTORIES)
//! - `system.rs`: files, and what the process was started as
//! - `threads.rs`: [`stop_threads`](super::stop_threads)
//! - `unwind.rs`: [`Unwinder`](super::Unwinder)

use alloc::string::String;
mod calls;
mod file;
mod map;
mod memory;
mod stack;

pub use calls::follows_call;
pub use file::write_all;
pub use map::{Map, Mapping, Module};
pub use memory::Memory;
pub use stack::{Found, Frame, Stack};

use libc::pid_t;

use crate::platform::{Registers, Symbols};

/// Asks a module's symbols, which are looked for when it is asked for them first; nothing is asked while they are.
pub type AskSymbols<'a> = dyn Fn(&Module, &mut dyn FnMut(&Symbols)) + 'a;

/// A thread of the crashed process.
pub struct Thread {
    /// Its id.
    pub tid: pid_t,
    /// Its name; empty when it has none.
    pub name: String,
    /// None when it could not be stopped.
    pub registers: Option<Registers>,
}
