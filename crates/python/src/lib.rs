//! The Python stacks of a process that runs CPython 3.8 to 3.15, read from its memory.
//!
//! Nothing of the process is called: its structures are read as CPython's headers lay them out. From 3.13 on, CPython writes
//! the offsets of its members at the head of `_PyRuntime` for readers like this one (`_Py_DebugOffsets`,
//! Include/internal/pycore_debug_offsets.h); for older versions they are in `layout.rs`.
//!
//! The memory may be that of another process, or of a crashed one, in which anything may be overwritten: each address is read
//! where it may not be mapped, each object is known by its type before it is believed, and each list, stack and text is
//! bounded.
//!
//! How to use it: [`Runtime::find`] in each module, [`Runtime::threads`] for its threads, [`Runtime::stack`] for one's stack.

#![no_std]

extern crate alloc;

mod layout;
mod lines;
mod stack;
mod text;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use layout::Layout;
pub use lines::{locations, numbers_3_8, numbers_3_10};
use unwind::{Exports, ReadMemory, exports};

/// Why Python's stacks can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A version whose structures are not known here: major and minor, (0, 0) where even that is not known.
    Version(u8, u8),
    /// They make no sense.
    Damaged,
}

impl fmt::Display for Problem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(0, _) => to.write_str("its version is not known"),
            Self::Version(major, minor) => write!(to, "the structures of version {major}.{minor} are not known"),
            Self::Damaged => to.write_str("its structures are damaged"),
        }
    }
}

/// One Python interpreter library or program in a process, with all interpreters that it runs.
pub struct Runtime {
    /// Of `_PyRuntime`.
    address: u64,
    layout: Layout,
}

/// A thread as Python knows it. A thread that runs several interpreters is there once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its PyThreadState.
    pub state: u64,
    /// The interpreter's number; 0 is the main one.
    pub interpreter: u64,
    /// pthread_self(3). After fork(2) that is the thread that has forked.
    pub pthread: u64,
    /// gettid(2) as the thread itself sees it; 0 where the version does not keep it (before 3.11).
    pub native: u64,
}

impl Thread {
    /// What may be its thread id, as gettid(2) has it in the process's own PID namespace.
    pub fn tids(&self, memory: &mut dyn ReadMemory) -> impl Iterator<Item = i32> + use<> {
        // `tid` in struct pthread, which libc keeps whatever the version of Python: glibc's, then musl's (1.2).
        const OFFSETS: [u64; 2] = if cfg!(target_arch = "aarch64") { [208, 32] } else { [720, 48] };
        let in_pthread = OFFSETS.map(|offset| {
            let is_aligned = self.pthread & 7 == 0;
            is_aligned.then(|| memory.u32_at(self.pthread.wrapping_add(offset))).flatten().map(u64::from)
        });
        let all = [Some(self.native), in_pthread[0], in_pthread[1]];
        all.into_iter().flatten().filter_map(|tid| i32::try_from(tid).ok()).filter(|&tid| tid > 0)
    }

    /// Whether it is the kernel's thread with this id.
    pub fn is(&self, memory: &mut dyn ReadMemory, tid: i32) -> bool {
        self.tids(memory).any(|known| known == tid)
    }
}

/// The threads of a runtime.
#[derive(Debug, Default)]
pub struct Threads {
    /// Those that were found.
    pub threads: Vec<Thread>,
    /// Whether the list ends as it should; else there may be more.
    pub is_complete: bool,
}

/// A Python function that has not returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The qualified name (from 3.11 on), else the name; empty when it can't be read.
    pub function: String,
    /// The file as the code object has it; empty when it can't be read.
    pub file: String,
    /// The line in it; 0 when there is none.
    pub line: u64,
}

/// A Python stack, newest frame first; the middle of a very long one is only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Newest first.
    pub frames: Vec<Frame>,
    /// How many were left out, and the index in `frames` of the first one behind them.
    pub omitted: Option<(u64, u64)>,
    /// Whether it could not be followed to its end.
    pub is_cut: bool,
}

/// Interpreters that are looked at, at most.
const INTERPRETERS: usize = 4096;
/// Threads of all interpreters together that are looked at, at most.
const THREADS: usize = 1 << 16;

impl Runtime {
    /// The runtime of a module, if it exports `_PyRuntime`; `None` for other modules. `dynamic` and `size` are address and length of
    /// the module's dynamic section in memory; `bias` is what has to be added to addresses of its file.
    ///
    /// # Errors
    /// A runtime whose structures can't be read.
    pub fn find(memory: &mut dyn ReadMemory, bias: u64, dynamic: u64, size: u64) -> Option<Result<Self, Problem>> {
        let exports = exports(memory, bias, dynamic, size)?;
        let address = exports.address(memory, b"_PyRuntime")?;
        Some(Self::new(memory, address, &exports))
    }

    fn new(memory: &mut dyn ReadMemory, address: u64, exports: &Exports) -> Result<Self, Problem> {
        let version = match exports.address(memory, b"Py_Version") {
            Some(address) => memory.u64_at(address).ok_or(Problem::Damaged)?,
            // Before 3.11 nothing tells the version but the functions that it exports.
            None if exports.address(memory, b"PyModule_AddObjectRef").is_some() => 0x030a_0000,
            None if exports.address(memory, b"PyObject_CallNoArgs").is_some() => 0x0309_0000,
            None if exports.address(memory, b"PyCode_NewWithPosOnlyArgs").is_some() => 0x0308_0000,
            None => return Err(Problem::Version(0, 0)),
        };
        Self::at(memory, address, version)
    }

    /// The runtime whose `_PyRuntime` is at this address. `version` is as in `Py_Version` (PY_VERSION_HEX).
    ///
    /// # Errors
    /// A version whose structures are not known, and structures that make no sense.
    pub fn at(memory: &mut dyn ReadMemory, address: u64, version: u64) -> Result<Self, Problem> {
        let layout = Layout::of(memory, address, version)?;
        Ok(Self { address, layout })
    }

    /// All threads of all interpreters. There are none before Python is initialised.
    ///
    /// # Errors
    /// A list of interpreters that can't be read, or whose first entry is no interpreter.
    pub fn threads(&self, memory: &mut dyn ReadMemory) -> Result<Threads, Problem> {
        let layout = &self.layout;
        let mut found = Threads::default();
        let head = self.address.wrapping_add(layout.interpreters);
        let mut interpreter = memory.u64_at(head).ok_or(Problem::Damaged)?;
        for _ in 0..INTERPRETERS {
            if interpreter == 0 {
                found.is_complete = true;
                return Ok(found);
            }
            let mut member = |offset: u64| memory.u64_at(interpreter.wrapping_add(offset));
            let members =
                (member(layout.interpreter_threads), member(layout.interpreter_id), member(layout.interpreter_next));
            let (Some(mut state), Some(number), Some(next)) = members else { break };
            while state != 0 {
                let mut member = |offset: u64| memory.u64_at(state.wrapping_add(offset));
                if found.threads.len() >= THREADS || member(layout.thread_interpreter) != Some(interpreter) {
                    break;
                }
                let native = layout.thread_native.map_or(Some(0), &mut member);
                let (Some(pthread), Some(native), Some(next)) =
                    (member(layout.thread_pthread), native, member(layout.thread_next))
                else {
                    break;
                };
                found.threads.push(Thread { state, interpreter: number, pthread, native });
                state = next;
            }
            if state != 0 {
                break;
            }
            interpreter = next;
        }
        if found.threads.is_empty() { Err(Problem::Damaged) } else { Ok(found) }
    }
}
