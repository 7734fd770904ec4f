//! What a crash report is made from, on macOS. It runs in the crashed thread, and allocates.

mod map;
mod message;
mod source;
mod symbols;
mod system;
mod targets;
mod threads;
mod unwind;
mod values;

pub use map::*;
pub use message::*;
pub use source::*;
pub use symbols::*;
pub use system::*;
pub use targets::*;
pub use threads::*;
pub use unwind::*;
pub use values::*;

/// The sender's pid in a siginfo on the stack, of which `address` is `si_addr`: not read here.
pub fn sender_of(_code: i32, _address: u64) -> Option<u32> {
    None
}
