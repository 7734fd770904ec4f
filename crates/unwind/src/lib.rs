//! Stacks of a process, whoever reads its memory: the library unwinds the process that it has crashed in, the launcher another
//! one, from what it has copied of it.
//!
//! Linux's; of macOS only what a stack is.

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
