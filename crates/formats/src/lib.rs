//! What kernels, linkers and loaders write about a process, with one reader for each of it, whoever reads: the library its own
//! process, in handlers too, the launcher another one.
//!
//! All of it may be damaged. Every reader is bounded, none panics, and none allocates.

#![no_std]

pub mod dyld;
pub mod gnu_hash;
pub mod macho;
pub mod maps;
mod memory;

pub use memory::ReadMemory;
