//! What a crash report is made from, on Linux. It runs in a copy of the crashed process, and allocates.

mod expression;
mod map;
mod message;
mod symbols;
mod system;
mod targets;
mod threads;
mod unwind;

pub use map::*;
pub use message::*;
pub use symbols::*;
pub use system::*;
pub use targets::*;
pub use threads::*;
pub use unwind::*;
