//! One thread's stack.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use unwind::ReadMemory;

use crate::layout::{Frames, Layout, Lines};
use crate::{Frame, Runtime, Stack, Thread, lines};

/// Of a longer stack, how many of the newest frames are shown.
const NEWEST: usize = 192;
/// Of a longer stack, how many of the oldest frames are shown.
const OLDEST: usize = 64;
/// Frames that are followed, at most.
const MAX_FRAMES: u64 = 200_000;
/// Largest size in bytes of one function's code, and of all tables of lines that are looked at for one stack.
const MAX_BYTES: u64 = 1 << 26;

/// What a code object says, whichever of its instructions is executed.
#[derive(Clone)]
struct Code {
    function: String,
    file: String,
    first_line: i64,
    /// Address and length of its table of lines.
    lines: (u64, u64),
    /// `_co_firsttraceable`: index of the first instruction of the function's own, behind those that set its frame up.
    first: i64,
}

/// Addresses of a frame and of its code object, of which nothing else has been read.
#[derive(Clone, Copy)]
struct Raw {
    address: u64,
    code: u64,
}

/// What a frame says of itself: its code object, where it is a function's, and the frame that has called it.
struct Step {
    code: Option<u64>,
    previous: u64,
}

impl Runtime {
    /// The stack of a thread; empty where it runs no Python code.
    pub fn stack(&self, memory: &mut dyn ReadMemory, thread: &Thread) -> Stack {
        let layout = &self.layout;
        let mut stack = Stack::default();
        let mut newest = memory.u64_at(thread.state.wrapping_add(layout.thread_frame));
        if let (Some(cframe), Some(offset)) = (newest.filter(|&cframe| cframe != 0), layout.thread_cframe) {
            newest = memory.u64_at(cframe.wrapping_add(offset));
        }
        let Some(mut frame) = newest else {
            stack.is_cut = true;
            return stack;
        };
        let mut walk = Walk { layout, code_type: None, left: MAX_BYTES };
        let (mut inner, mut outer) = (Vec::new(), VecDeque::new());
        let mut count = 0u64;
        // Damaged frames may form a cycle, which never ends. Brent's algorithm notices: `mark` is the frame that was reached after
        // the last power of two of steps, and in a cycle it is met again.
        let (mut mark, mut until) = (0, 1u64);
        let mut steps = 0u64;
        while frame != 0 {
            let step = walk.step(memory, frame).filter(|_| steps < MAX_FRAMES && frame != mark);
            let Some(step) = step else {
                stack.is_cut = true;
                break;
            };
            if let Some(code) = step.code {
                count += 1;
                let raw = Raw { address: frame, code };
                if inner.len() < NEWEST {
                    inner.push(raw);
                } else {
                    outer.push_back(raw);
                    if outer.len() > OLDEST {
                        outer.pop_front();
                    }
                }
            }
            steps += 1;
            if steps == until {
                (mark, until) = (frame, until * 2);
            }
            frame = step.previous;
        }
        let left_out = count - (inner.len() + outer.len()) as u64;
        let mut before = inner.len() as u64;
        inner.extend(outer);
        let mut codes = BTreeMap::new();
        for (index, raw) in inner.into_iter().enumerate() {
            let code = codes.entry(raw.code).or_insert_with(|| walk.code(memory, raw.code)).clone();
            let offset = walk.offset(memory, raw);
            if walk.is_incomplete(memory, raw, &code, offset) {
                if (index as u64) < before {
                    before -= 1;
                }
                continue;
            }
            let line = walk.line(memory, raw, &code, offset);
            let line = line.and_then(|line| u64::try_from(line).ok()).unwrap_or(0);
            stack.frames.push(Frame { function: code.function, file: code.file, line });
        }
        stack.omitted = (left_out > 0).then_some((left_out, before));
        stack
    }
}

/// Reads the frames of one stack.
struct Walk<'a> {
    layout: &'a Layout,
    /// The address of the type of code objects, once a code object has been met.
    code_type: Option<u64>,
    /// How many bytes of tables of lines may still be looked at.
    left: u64,
}

impl Walk<'_> {
    /// A frame's code and caller; None where there is no frame.
    fn step(&mut self, memory: &mut dyn ReadMemory, frame: u64) -> Option<Step> {
        /// In enum _frameowner, the first of those that are no function's: FRAME_OWNED_BY_CSTACK, from 3.14 on
        /// FRAME_OWNED_BY_INTERPRETER with the former behind it.
        const NO_FUNCTION: u8 = 3;
        let layout = self.layout;
        if frame & 7 != 0 {
            return None;
        }
        let previous = memory.u64_at(frame.wrapping_add(layout.frame_previous))?;
        let mut is_function = true;
        if let Frames::Interpreter { owner, .. } = layout.frames {
            is_function = memory.u8_at(frame.wrapping_add(owner))? < NO_FUNCTION;
        }
        if !is_function {
            return Some(Step { code: None, previous });
        }
        // From 3.14 on, this is a _PyStackRef, whose two lowest bits tell how the reference is counted.
        let code = memory.u64_at(frame.wrapping_add(layout.frame_code))? & !3;
        self.is_code(memory, code).then_some(Step { code: Some(code), previous })
    }

    /// Whether an object is a code object, by the name of its type.
    fn is_code(&mut self, memory: &mut dyn ReadMemory, object: u64) -> bool {
        let Some(kind) = memory.u64_at(object.wrapping_add(self.layout.object_type)) else { return false };
        if self.code_type == Some(kind) {
            return true;
        }
        let name = memory.u64_at(kind.wrapping_add(self.layout.type_name));
        let mut text = [0; 5];
        let is_code = name.is_some_and(|name| memory.read_exact(name, &mut text)) && &text == b"code\0";
        if is_code {
            self.code_type = Some(kind);
        }
        is_code
    }

    /// Reads the code object at this address; what can't be read is empty or 0.
    fn code(&self, memory: &mut dyn ReadMemory, code: u64) -> Code {
        let layout = self.layout;
        let text = |memory: &mut dyn ReadMemory, offset: u64| {
            let object = memory.u64_at(code.wrapping_add(offset)).filter(|&object| object != 0)?;
            layout.text(memory, object)
        };
        let qualname = layout.code_qualname.and_then(|offset| text(memory, offset));
        let function = qualname.or_else(|| text(memory, layout.code_name)).unwrap_or_default();
        let file = text(memory, layout.code_file).unwrap_or_default();
        let first_line = memory.u32_at(code.wrapping_add(layout.code_first_line)).unwrap_or(0).cast_signed();
        let table = memory.u64_at(code.wrapping_add(layout.code_lines)).unwrap_or(0);
        let size = memory.u64_at(table.wrapping_add(layout.bytes_size)).filter(|&size| size < MAX_BYTES).unwrap_or(0);
        let first = match layout.frames {
            Frames::Interpreter { first, .. } => memory.u32_at(code.wrapping_add(first)).unwrap_or(0).cast_signed(),
            Frames::Object { .. } => 0,
        };
        Code {
            function,
            file,
            first_line: i64::from(first_line),
            lines: (table.wrapping_add(layout.bytes_data), size),
            first: i64::from(first),
        }
    }

    /// The offset in bytes of a frame's instruction, if it lies in its code.
    fn offset(&self, memory: &mut dyn ReadMemory, raw: Raw) -> Option<i64> {
        let offset = match self.layout.frames {
            Frames::Object { last, unit, .. } => {
                i64::from(memory.u32_at(raw.address.wrapping_add(last))?.cast_signed()) * unit
            }
            Frames::Interpreter { instruction, code, copies, .. } => {
                let mut start = raw.code.wrapping_add(code);
                if let Some((index, list)) = copies {
                    // struct _PyCodeArray: the size, then an address for each thread that has a copy.
                    let index = memory.u32_at(raw.address.wrapping_add(index))?;
                    let list = memory.u64_at(raw.code.wrapping_add(list))?;
                    let count = memory.u64_at(list)?;
                    let entry = list.wrapping_add(8).wrapping_add(8 * u64::from(index));
                    start = memory.u64_at(entry).filter(|_| u64::from(index) < count)?;
                }
                memory.u64_at(raw.address.wrapping_add(instruction))?.wrapping_sub(start).cast_signed()
            }
        };
        // Before the first instruction it is one instruction, two bytes, in front of the code.
        (-2..MAX_BYTES.cast_signed()).contains(&offset).then_some(offset)
    }

    /// Whether CPython's own tracebacks leave a frame out (`_PyFrame_IsIncomplete`): it has not reached its function's first
    /// instruction. From 3.12 on, the frame that the interpreter puts above an `__init__` never does.
    fn is_incomplete(&self, memory: &mut dyn ReadMemory, raw: Raw, code: &Code, offset: Option<i64>) -> bool {
        /// `FRAME_OWNED_BY_GENERATOR` of enum _frameowner.
        const GENERATOR: u8 = 1;
        let Frames::Interpreter { owner, .. } = self.layout.frames else { return false };
        memory.u8_at(raw.address.wrapping_add(owner)) != Some(GENERATOR)
            && offset.is_some_and(|offset| offset < code.first * 2)
    }

    /// The line that a frame stands in.
    fn line(&mut self, memory: &mut dyn ReadMemory, raw: Raw, code: &Code, offset: Option<i64>) -> Option<i64> {
        if let Frames::Object { line, trace, .. } = self.layout.frames {
            // While a function is traced, CPython keeps its line in the frame.
            let told = memory.u32_at(raw.address.wrapping_add(line))?.cast_signed();
            let is_traced = match trace {
                Some(trace) => memory.u64_at(raw.address.wrapping_add(trace))? != 0,
                None => told != 0,
            };
            if is_traced {
                return Some(i64::from(told));
            }
        }
        let (start, size) = code.lines;
        let end = start.checked_add(size.min(self.left))?;
        let mut table = Table { memory, next: start, end, chunk: [0; 64], at: 64 };
        let line = match self.layout.lines {
            Lines::Lnotab => lines::numbers_3_8(table.by_ref(), code.first_line, offset?),
            Lines::Linetable => lines::numbers_3_10(table.by_ref(), code.first_line, offset?),
            Lines::Locations => lines::locations(table.by_ref(), code.first_line, offset?),
        };
        self.left = self.left.saturating_sub(table.next - start);
        // Of a table that the limit has cut off, the last line may be that of another instruction.
        line.filter(|_| self.left > 0)
    }
}

/// The bytes of a table, read 64 at a time.
struct Table<'a> {
    memory: &'a mut dyn ReadMemory,
    /// Address of the next byte.
    next: u64,
    /// Address behind the last byte.
    end: u64,
    chunk: [u8; 64],
    /// Index in `chunk` of the next byte.
    at: usize,
}

impl Iterator for Table<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.next >= self.end {
            return None;
        }
        if self.at >= self.chunk.len() {
            let left = usize::try_from(self.end - self.next).ok()?.min(self.chunk.len());
            // Fewer bytes than a chunk, at the end of the table, fill the end of it.
            self.at = self.chunk.len() - left;
            let chunk = self.chunk.get_mut(self.at..)?;
            if !self.memory.read_exact(self.next, chunk) {
                self.end = self.next;
                return None;
            }
        }
        let byte = self.chunk.get(self.at).copied();
        (self.at, self.next) = (self.at + 1, self.next + 1);
        byte
    }
}
