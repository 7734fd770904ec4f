//! Arguments and local variables of the crashed stack (`NOSIGPIPE_VALUES=on`).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::platform;
use crate::process::{AskSymbols, Map, Memory, ReadMemory};
use processor::Registers;
use report::{Frame, Variable};
use symbols::values::{Function, Passed, Process, State, Value, Variables};

use super::Unwinder;
use unwind::FrameRegisters;

/// Of how many frames, from the innermost on, values are shown.
const FRAMES: usize = 24;
/// Bytes of names and values that are shown in all, at most.
const MOST_TEXT: usize = 32 << 10;

/// The crashed process as values are read from it.
struct Crashed<'m> {
    memory: &'m mut Memory,
    deadline: u64,
}

impl Process for Crashed<'_> {
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> usize {
        self.memory.read(address, bytes)
    }

    fn is_late(&mut self) -> bool {
        platform::nanoseconds() > self.deadline
    }
}

/// One frame of the stack.
struct Level {
    registers: FrameRegisters,
    /// Index of the frame's module.
    module: usize,
    /// As [`State::lookup`].
    lookup: u64,
    /// The module's bias.
    bias: u64,
    /// The frame's function, if debug information knows it.
    function: Option<Function>,
}

impl Level {
    fn state<'a>(&'a self, entry: &'a [(Passed, u64)]) -> State<'a> {
        let FrameRegisters { known, cfa, .. } = &self.registers;
        State { lookup: self.lookup, bias: self.bias, registers: known, cfa: *cfa, entry }
    }
}

/// Adds the values to the `frames` of the stack that begins with `registers`; what has not been read by `deadline`, on the clock of
/// [`platform::nanoseconds`], is left out.
pub fn add_values(
    frames: &mut [Frame],
    registers: &Registers,
    (map, ask): (&Map, &AskSymbols),
    unwinder: &mut Unwinder,
    memory: &mut Memory,
    deadline: u64,
) {
    let stack = unwinder.registers(memory, registers, FRAMES);
    let mut process = Crashed { memory, deadline };
    let mut functions: BTreeMap<(usize, u64), Option<Function>> = BTreeMap::new();
    let levels: Vec<Option<Level>> = stack
        .into_iter()
        .map(|registers| {
            let module = map.module(registers.pc).filter(|_| registers.is_function)?;
            let of = map.modules.get(module)?;
            let lookup = registers.pc.wrapping_sub(of.bias).wrapping_sub(u64::from(!registers.interrupted));
            let found = functions.entry((module, lookup)).or_insert_with(|| {
                let mut function = None;
                ask(of, &mut |symbols| function = symbols.function(lookup, &mut process));
                function
            });
            Some(Level { registers, module, lookup, bias: of.bias, function: found.clone() })
        })
        .collect();

    // From the outermost frame inwards: what a function was called with is computed from its caller's registers.
    let mut found: Vec<Vec<Variables>> = Vec::new();
    let mut entry: Vec<(Passed, u64)> = Vec::new();
    for (index, level) in levels.iter().enumerate().rev() {
        let Some((level, function)) = level.as_ref().and_then(|level| Some((level, level.function.as_ref()?))) else {
            entry.clear();
            found.push(Vec::new());
            continue;
        };
        let callee = index.checked_sub(1).and_then(|inner| levels.get(inner)?.as_ref());
        let (mut variables, mut calls) = (Vec::new(), Vec::new());
        if let Some(module) = map.modules.get(level.module).filter(|_| !process.is_late()) {
            let state = level.state(&entry);
            ask(module, &mut |symbols| {
                variables = symbols.variables(function, &state, &mut process);
                // An interrupted function has not called the next frame, which is a signal handler's.
                if let Some((inner, callee)) = callee
                    .and_then(|inner| Some((inner, inner.function.as_ref()?)))
                    .filter(|_| !level.registers.interrupted)
                {
                    let address = level.registers.pc.wrapping_sub(level.bias);
                    calls = symbols.entry_values(function, address, (callee, inner.bias), &state, &mut process);
                }
            });
        }
        entry = calls;
        found.push(variables);
    }
    put(frames, found);
}

/// Moves the values into the report's frames, until there are too many. One frame of the stack is several of the report: its function
/// is behind those that are inlined into it.
fn put(frames: &mut [Frame], found: Vec<Vec<Variables>>) {
    let mut left = MOST_TEXT;
    let mut rest = frames;
    for mut variables in found.into_iter().rev() {
        let count = rest.iter().position(|frame| !frame.inlined).map_or(rest.len(), |last| last + 1);
        let (functions, others) = rest.split_at_mut(count);
        rest = others;
        // Both lists have the same length unless debug information is damaged. Their ends are the function itself in any case.
        for frame in functions.iter_mut().rev() {
            let Some(variables) = variables.pop() else { break };
            let size = |values: &[Value]| values.iter().map(|value| value.name.len() + value.text.len()).sum::<usize>();
            let Some(after) = left.checked_sub(size(&variables.arguments) + size(&variables.locals)) else { return };
            left = after;
            let variable = |value: Value| Variable { name: value.name, value: value.text };
            frame.arguments = variables.arguments.into_iter().map(variable).collect();
            frame.locals = variables.locals.into_iter().map(variable).collect();
        }
        // The callers of main() are libc's functions.
        if functions.last().is_some_and(|frame| frame.function == "main") {
            return;
        }
    }
}
