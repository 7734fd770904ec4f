//! Call instructions.

use super::Memory;

/// Whether a call instruction ends just before an address.
pub fn follows_call(memory: &mut Memory, address: u64) -> bool {
    runtime::arch::follows_call(|at, code| memory.read(at, code), address)
}
