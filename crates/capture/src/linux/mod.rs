//! What a crash report is made from, on Linux. It runs in a copy of the crashed process, and allocates.

mod context;
mod exception;
mod map;
mod message;
mod symbols;
mod system;
mod targets;
mod threads;
mod unwind;
mod values;

pub use context::*;
pub use exception::*;
pub use map::*;
pub use message::*;
pub use symbols::*;
pub use system::*;
pub use targets::*;
pub use threads::*;
pub use unwind::*;
pub use values::*;

/// Who has sent a signal, of a siginfo on the stack: its pid stands where an address would be.
pub fn sender_of(code: i32, address: u64) -> Option<u32> {
    matches!(code, libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE).then_some(address as u32)
}
