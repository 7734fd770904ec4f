//! Python's stacks, where the process runs CPython.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use libc::pid_t;
use python::{Problem, Runtime, Thread};
use report::{Python, PythonFrame};

use crate::platform;
use crate::process::{Map, Memory};

/// States (PyThreadState) of one thread that are looked at: it has one for each interpreter that it has run.
const STATES: usize = 64;

/// The Python runtimes of the process; most processes have none.
pub struct Pythons {
    runtimes: Vec<Runtime>,
    problem: Option<Problem>,
}

/// The threads that Python knows, by thread id, as they are in one process's memory.
pub struct Threads<'a> {
    by_tid: BTreeMap<pid_t, Vec<(&'a Runtime, Thread)>>,
    problem: Option<Problem>,
}

impl Pythons {
    /// Looks in every module.
    pub fn find(map: &Map, memory: &mut Memory) -> Self {
        let mut found = Self { runtimes: Vec::new(), problem: None };
        for module in &map.modules {
            let exports = platform::exports(module);
            match exports.and_then(|(address, size)| Runtime::find(memory, module.bias, address, size)) {
                Some(Ok(runtime)) => found.runtimes.push(runtime),
                Some(Err(problem)) => found.problem = Some(problem),
                None => {}
            }
        }
        found
    }

    /// The threads, as they are in this memory.
    pub fn threads(&self, memory: &mut Memory) -> Threads<'_> {
        let mut found = Threads { by_tid: BTreeMap::new(), problem: self.problem };
        for runtime in &self.runtimes {
            let threads = match runtime.threads(memory) {
                Ok(threads) => threads,
                Err(problem) => {
                    found.problem = Some(problem);
                    continue;
                }
            };
            if !threads.is_complete {
                found.problem = Some(Problem::Damaged);
            }
            for thread in threads.threads {
                for tid in thread.tids(memory) {
                    let known = found.by_tid.entry(tid).or_default();
                    if known.len() < STATES && known.iter().all(|(_, other)| *other != thread) {
                        known.push((runtime, thread));
                    }
                }
            }
        }
        found
    }
}

impl Threads<'_> {
    /// The Python stack of a thread. Where it runs several interpreters, those that were made last come first: the others have called
    /// them. `deadline` is on the clock of [`platform::nanoseconds`].
    pub fn stack(&self, memory: &mut Memory, tid: pid_t, deadline: u64) -> Python {
        let mut whole = Python::default();
        let mut threads: Vec<_> = self.by_tid.get(&tid).into_iter().flatten().collect();
        threads.sort_by_key(|(_, thread)| core::cmp::Reverse(thread.interpreter));
        for (runtime, thread) in threads {
            if platform::nanoseconds() > deadline {
                whole.cut = true;
                break;
            }
            let stack = runtime.stack(memory, thread);
            if let Some((count, before)) = stack.omitted {
                whole.omitted = Some((count, before + whole.frames.len() as u64));
            }
            whole.cut |= stack.is_cut;
            whole.frames.extend(stack.frames.into_iter().map(|frame| PythonFrame {
                function: frame.function,
                file: frame.file,
                line: frame.line,
                interpreter: thread.interpreter,
            }));
        }
        whole
    }

    /// Why stacks are missing; empty where none is.
    pub fn note(&self) -> String {
        match self.problem {
            Some(problem) => format!("Python's stacks can't be read, or not all: {problem}"),
            None => String::new(),
        }
    }
}
