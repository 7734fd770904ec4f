//! A crashed process as it is read, on every system. What differs by system is in `linux` and `macos`, each of which provides,
//! in files of the same names:
//!
//! - `map.rs`: `read_map`, and `Parts`, what its unwinder needs to know of a module
//! - `message.rs`: `abort_message`, what the system's libraries say before they abort
//! - `symbols.rs`: `Symbols`, `symbols` and where separate debug files are, `DEBUG_DIRECTORIES`
//! - `system.rs`: files, and what the process was started as
//! - `threads.rs`: `stop_threads`
//! - `unwind.rs`: `Unwinder`

mod file;
mod map;
mod memory;

use alloc::string::String;

pub use file::{map_and_close, write_all};
pub use map::{Map, Mapping, Module};
pub use memory::Memory;
pub use unwind::{Frame, FrameTrust, ReadMemory, ReadOwned, Stack};

use libc::pid_t;

use crate::platform::{Registers, Symbols};

/// Calls the closure with a module's symbols, which are looked for when that is first asked for. Not called when this happens while
/// symbols are being looked for.
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
