//! What is known about the address of a fault.

use crate::platform::{Fault, PAGE};
use crate::process::{Map, Memory, ReadMemory, Stack};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// `si_code` of an address where nothing is mapped (sigaction(2)); the kernel says so of guard regions, too.
const SEGV_MAPERR: i32 = 1;
/// How far below the end of a stack an access counts as one of it that has overflowed: what one function may skip (a large
/// array).
const ONE_FRAME: u64 = 1 << 20;
/// What functions access below the stack pointer: the red zone, and what a call or a push is about to write.
const RED_ZONE: u64 = 128 + 8;

/// Whether this is what a stack overflow looks like: an access not below the stack pointer, just below the memory that the
/// stack is in. What lies above is no stack's end, whoever runs into it.
fn is_stack_overflow(map: &Map, address: u64, sp: u64, guard: Option<u64>) -> bool {
    let is_near = |end: u64| address < end && end - address <= ONE_FRAME && address >= sp.saturating_sub(RED_ZONE);
    if let Some(end) = guard {
        // The stack is behind its guard, in the same mapping.
        return is_near(end) && map.mapping(address).is_some_and(|stack| stack.writable && end < stack.end);
    }
    let stack = map.mapping(sp).filter(|mapping| mapping.writable).or_else(|| {
        let above = map.mappings.iter().find(|mapping| mapping.start > sp && mapping.writable)?;
        (above.start - sp <= ONE_FRAME).then_some(above)
    });
    stack.is_some_and(|stack| is_near(stack.start))
}

/// The end of the guard region that an address is in: pages of a mapping that may be read, as far as the mapping is concerned, and
/// can't (MADV_GUARD_INSTALL, since Linux 6.13; glibc has it at the end of each stack since 2.42).
fn end_of_guard(map: &Map, memory: &mut Memory, fault: &Fault) -> Option<u64> {
    let mapping = map.mapping(fault.address).filter(|mapping| mapping.readable)?;
    // What may not be done with a mapping is an error of another kind.
    if fault.signal != libc::SIGSEGV || fault.code != SEGV_MAPERR || !memory.is_asked_of_the_kernel() {
        return None;
    }
    let mut page = fault.address & !(PAGE as u64 - 1);
    let begin = page;
    while page < mapping.end && page - begin <= ONE_FRAME && memory.u64_at(page).is_none() {
        page += PAGE as u64;
    }
    (page > begin).then_some(page)
}

/// One sentence, or nothing.
pub fn describe(map: &Map, memory: &mut Memory, fault: &Fault, stack: &Stack) -> String {
    if !matches!(fault.signal, libc::SIGSEGV | libc::SIGBUS) {
        return String::new();
    }
    let (address, sp) = (fault.address, fault.registers.sp());
    let guard = end_of_guard(map, memory, fault);
    if fault.signal == libc::SIGSEGV
        && is_stack_overflow(map, address, sp, guard)
        // What the map lacks may still be there for us: memory that we got after the crash.
        && (map.mapping(address).is_none() || memory.u64_at(address & !7).is_none())
    {
        let depth = stack.frames.len() as u64 + stack.omitted.map_or(0, |(count, _)| count);
        let at_least = if stack.cut { "at least " } else { "" };
        return format!(
            "stack overflow: {address:#x} is below the end of this thread's stack, {at_least}{depth} calls deep"
        );
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
            if guard.is_some() {
                return format!("the address is in a guard region of {name}, which may not be touched");
            }
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
