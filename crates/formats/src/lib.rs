//! Readers of what kernels, linkers and loaders write about a process: one for each format, for the library, which
//! reads its own process and does so in signal handlers, too, and for the launcher, which reads another one.
//!
//! What is read may be damaged. Every reader ends after a bounded number of steps, none panics, and none allocates.

#![no_std]

pub mod dyld;
pub mod gnu_hash;
pub mod macho;
pub mod maps;
mod memory;

pub use memory::ReadMemory;
