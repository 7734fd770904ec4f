//! What is known about the address of a fault.

use crate::platform::{Fault, PAGE};
use crate::process::{Map, Memory, ReadMemory, Stack};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// `si_code` of an address where nothing is mapped (sigaction(2)); the kernel says so of guard regions, too.
const SEGV_MAPERR: i32 = 1;
/// How far below the end of a stack an access counts as a stack overflow, in bytes: a function with a large array may skip as much.
const ONE_FRAME: u64 = 1 << 20;
/// How far below the stack pointer functions access memory, in bytes: the red zone of the x86_64 ABI, and what a call or a push is
/// about to write.
const RED_ZONE: u64 = 128 + 8;
/// Addresses below are members of an object at the null pointer: Linux maps nothing below vm.mmap_min_addr.
const NULL_AREA: u64 = 0x1_0000;
/// How far behind the end of a mapping an address counts as having run past it, in bytes.
const BEHIND_END: u64 = 4096;

/// Whether this is what a stack overflow looks like: an access at the stack pointer or above it, and just below the memory that the
/// stack is in.
fn is_stack_overflow(map: &Map, address: u64, sp: u64, guard: Option<u64>) -> bool {
    let is_near = |end: u64| address < end && end - address <= ONE_FRAME && address >= sp.saturating_sub(RED_ZONE);
    if let Some(end) = guard {
        // The stack is above its guard region, in the same mapping.
        return is_near(end) && map.mapping(address).is_some_and(|stack| stack.writable && end < stack.end);
    }
    let stack = map.mapping(sp).filter(|mapping| mapping.writable).or_else(|| {
        let above = map.mappings.iter().find(|mapping| mapping.start > sp && mapping.writable)?;
        (above.start - sp <= ONE_FRAME).then_some(above)
    });
    stack.is_some_and(|stack| is_near(stack.start))
}

/// The end of the guard region that an address is in: pages that can't be read though their mapping is readable
/// (MADV_GUARD_INSTALL, since Linux 6.13; glibc makes one at the end of each thread's stack since 2.42).
fn end_of_guard(map: &Map, memory: &mut Memory, fault: &Fault) -> Option<u64> {
    let mapping = map.mapping(fault.address).filter(|mapping| mapping.readable)?;
    // An access that a mapping's protection forbids is SEGV_ACCERR.
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

/// What the address of a fault is, in one clause; empty where nothing can be said.
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
    if address < NULL_AREA {
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
            match below.filter(|below| address - below.end < BEHIND_END) {
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
