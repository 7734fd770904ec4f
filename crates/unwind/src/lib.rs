//! Unwinds stacks of a process on Linux. The library does that for the process that it is loaded in, when that crashes;
//! the launcher for another one, from a copy of its stacks. On macOS only [`Stack`] is used.

#![no_std]

extern crate alloc;

pub mod elf;
mod exports;
mod expression;
mod memory;
mod stack;
mod unwinder;

pub use exports::{Exports, exports};
pub use formats::ReadMemory;
pub use memory::ReadOwned;
pub use stack::{Frame, FrameTrust, Stack};
pub use unwinder::{Clock, FrameRegisters, Image, Unwinder};
