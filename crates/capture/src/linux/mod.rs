//! What a crash report is made from, on Linux. It runs in a copy of the crashed process, and allocates.

mod context;
mod exception;
mod map;
mod message;
mod source;
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
pub use source::*;
pub use symbols::*;
pub use system::*;
pub use targets::*;
pub use threads::*;
pub use unwind::*;
pub use values::*;

/// The sender's pid in a siginfo on the stack, of which `address` is `si_addr`: `si_pid` is at the same offset.
pub fn sender_of(code: i32, address: u64) -> Option<u32> {
    matches!(code, libc::SI_USER | libc::SI_TKILL | libc::SI_QUEUE).then_some(address as u32)
}
