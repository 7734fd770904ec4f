//! What is known about the address of a fault.

use crate::platform::report::{Map, Memory, Stack};
use crate::platform::{Access, Fault};

/// How far from the stack pointer an address counts as the stack's: what one function may skip (a large array).
const NEAR_STACK: u64 = 1 << 20;

/// The word for what was tried.
pub fn access(access: Access) -> &'static str {
    match access {
        Access::Unknown => "",
        Access::Read => "reading",
        Access::Write => "writing",
        Access::Execute => "executing",
    }
}

/// One sentence, or nothing.
pub fn describe(map: &Map, memory: &mut Memory, fault: &Fault, stack: &Stack) -> String {
    if !matches!(fault.signal, libc::SIGSEGV | libc::SIGBUS) {
        return String::new();
    }
    let (address, sp) = (fault.address, fault.registers.sp());
    let near = address.wrapping_sub(sp.wrapping_sub(NEAR_STACK)) < NEAR_STACK + 4096;
    if fault.signal == libc::SIGSEGV && near && memory.word(address & !7).is_none() {
        let depth = stack.frames.len() as u64 + stack.omitted.map_or(0, |(count, _)| count);
        return format!("stack overflow: {address:#x} is below the end of this thread's stack, {depth} calls deep");
    }
    if address < 0x1_0000 {
        return if address == 0 {
            "the address is the null pointer".to_owned()
        } else {
            format!(
                "the address is {address} ({address:#x}) bytes from the null pointer: a member of an object that is not there"
            )
        };
    }
    match map.mapping(address) {
        None => {
            let below = map.mappings.iter().rev().find(|mapping| mapping.end <= address);
            match below.filter(|below| address - below.end < 4096) {
                Some(below) => {
                    let name = if below.path.is_empty() { "memory without a name" } else { &below.path };
                    format!("the address is {} bytes behind the end of {name}", address - below.end)
                }
                None => String::new(),
            }
        }
        Some(mapping) => {
            let name = if mapping.path.is_empty() { "memory without a name" } else { &mapping.path };
            let may = match (mapping.readable, mapping.writable, mapping.executable) {
                (false, false, false) => "may not be touched",
                (_, true, false) => "may be read and written, but not executed",
                (_, false, true) => "may be read and executed, but not written",
                (_, false, false) => "may only be read",
                _ => "may be read, written and executed",
            };
            format!("the address is in {name}, which {may}")
        }
    }
}
