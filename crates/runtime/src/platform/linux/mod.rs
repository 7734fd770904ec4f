//! Linux with glibc, x86_64 and aarch64.

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_env = "gnu")))]
compile_error!(
    "on Linux nosigpipe is for x86_64 and aarch64 with glibc: what broke is read from the registers of the interrupted system call"
);

mod abort;
mod action;
mod behind;
mod broken_pipe;
mod copy;
mod delivery;
mod descriptors;
mod directory;
mod fault;
mod filter;
pub(crate) mod freestanding;
mod image;
mod lent;
mod lineage;
mod maps;
mod mask;
mod memory;
mod missing;
pub(crate) mod next;
mod optional;
mod process;
pub(crate) mod program_memory;
mod real;
pub(crate) mod sharing;
mod socket;
mod spawn;
mod stderr;
mod thread;
mod tracing;
pub(crate) mod version;

pub use abort::*;
pub use action::*;
pub use behind::*;
pub use broken_pipe::*;
pub use copy::*;
pub use delivery::prepare_to_relay;
pub use directory::*;
pub use fault::*;
pub use filter::{forbids_reports, forget_trial, is_forbidden, is_learning_forbidden, learn_filter, learn_forbidden};
pub use freestanding::{own_call, poll, system_call};
pub use lent::*;
pub use lineage::*;
pub use maps::*;
pub use mask::{
    ProgramMask, are_masks_reduced, as_program_set, change_mask, is_blocked_by_program, is_nearly_full, is_reduced,
    make_pending, note_default, reduced,
};
pub use memory::*;
pub use optional::{at_fork, is_musl};
pub use process::*;
pub use program_memory::read_here;
pub use real::*;
pub use sharing::*;
pub use socket::*;
pub use spawn::*;
pub use stderr::*;
pub use thread::*;
pub use tracing::*;
