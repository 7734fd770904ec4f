//! Stacks of the crashed process.

use alloc::vec::Vec;

use processor::Registers;

use crate::platform::{self, Room};
use crate::process::{AskSymbols, Map, Memory, Stack};
use unwind::{Clock, FrameRegisters, Image};

/// What the unwinder asks of the crashed process: what is mapped, and sections of the modules' files.
struct Mapped<'a> {
    map: &'a Map,
    ask: &'a AskSymbols<'a>,
}

impl Image for Mapped<'_> {
    fn is_code(&self, address: u64) -> bool {
        self.map.is_code(address)
    }

    fn module(&self, address: u64) -> Option<usize> {
        self.map.module(address)
    }

    fn unwind_table(&self, module: usize) -> Option<(u64, &'static [u8])> {
        let (address, size) = self.map.modules.get(module)?.parts.unwind_table?;
        Some((address, self.map.in_memory(address, size)?))
    }

    fn from(&self, address: u64) -> Option<&'static [u8]> {
        let mapping = self.map.mapping(address)?;
        self.map.in_memory(address, mapping.end - address)
    }

    fn debug_frame(&self, module: usize) -> Option<(&'static [u8], u64)> {
        let module = self.map.modules.get(module)?;
        let mut section = None;
        (self.ask)(module, &mut |symbols| section = symbols.section(".debug_frame"));
        Some((section?, module.bias))
    }
}

/// Unwinds stacks of the crashed process.
pub struct Unwinder<'a>(unwind::Unwinder<Mapped<'a>, Room>);

impl<'a> Unwinder<'a> {
    /// `ask` leads to the sections of a module's files.
    pub fn new(map: &'a Map, deadline: u64, ask: &'a AskSymbols<'a>) -> Self {
        Self(unwind::Unwinder::new(Mapped { map, ask }, Clock { now: platform::nanoseconds, deadline }))
    }

    /// The whole stack of a thread with these registers; `memory` has its stack.
    pub fn stack(&mut self, memory: &mut Memory, registers: &Registers) -> Stack {
        self.0.stack(memory, registers)
    }

    /// The registers of the innermost `most` frames of such a stack, as far as they are known.
    pub fn registers(&mut self, memory: &mut Memory, registers: &Registers, most: usize) -> Vec<FrameRegisters> {
        self.0.registers(memory, registers, most)
    }
}
