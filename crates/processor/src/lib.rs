//! What an unwinder has to know of a processor: its registers by their DWARF numbers, its call instructions, and the
//! frames that Linux makes for signal handlers. Signal handlers use this crate, too: it allocates nothing, and depends
//! on no other crate.
//!
//! Each processor's file has the same names.

#![no_std]

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

/// A thread's registers.
#[derive(Clone, Copy)]
pub struct Registers {
    /// By DWARF number.
    pub general: [u64; REGISTER_NAMES.len()],
    /// The register of [`FLAGS_NAME`].
    pub flags: u64,
}

impl Registers {
    /// All zero.
    pub const NONE: Self = Self { general: [0; REGISTER_NAMES.len()], flags: 0 };

    /// The register with a DWARF number; 0 where there is none.
    pub fn get(&self, number: usize) -> u64 {
        self.general.get(number).copied().unwrap_or(0)
    }

    /// Program counter.
    pub fn pc(&self) -> u64 {
        code_address(self.get(PROGRAM_COUNTER))
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        self.get(STACK_POINTER)
    }
}
