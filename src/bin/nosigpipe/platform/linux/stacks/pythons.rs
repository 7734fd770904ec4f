//! Reads Python's stacks in another process, where it runs CPython.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libc::pid_t;
use python::{Problem, Runtime, Thread};
use report::{Python, PythonFrame};

use super::map::Map;
use super::memory::Memory;

/// How long reading Python's stacks may keep the process stopped: unlike other stacks, they are spread over too much
/// memory to be copied and read later.
const TIME: Duration = Duration::from_millis(250);

/// The copies of CPython in a process, mostly none. They are looked for before the process is stopped.
pub struct Pythons {
    runtimes: Vec<Runtime>,
    /// Why a copy of CPython can't be used, if there is one.
    problem: Option<Problem>,
}

/// The Python stacks of a process's threads, by the numbers that they have in the process's own PID namespace.
#[derive(Default)]
pub struct Found {
    by_number: BTreeMap<pid_t, Python>,
    /// Why some are missing; empty where none is known to be.
    pub note: String,
}

impl Pythons {
    /// Looks for CPython in every module.
    pub fn find(map: &Map, memory: &mut Memory) -> Self {
        let mut found = Self { runtimes: Vec::new(), problem: None };
        for module in &map.modules {
            let loaded = &module.loaded;
            match loaded.dynamic.and_then(|(address, size)| Runtime::find(memory, loaded.bias, address, size)) {
                Some(Ok(runtime)) => found.runtimes.push(runtime),
                Some(Err(problem)) => found.problem = Some(problem),
                None => {}
            }
        }
        found
    }

    /// The stacks of all threads, to be read while the process is stopped.
    pub fn stacks(&self, memory: &mut Memory) -> Found {
        let begin = Instant::now();
        let mut problem = self.problem;
        let mut threads: Vec<(&Runtime, Thread)> = Vec::new();
        for runtime in &self.runtimes {
            match runtime.threads(memory) {
                Ok(found) => {
                    if !found.is_complete {
                        problem = Some(Problem::Damaged);
                    }
                    threads.extend(found.threads.into_iter().map(|thread| (runtime, thread)));
                }
                Err(other) => problem = Some(other),
            }
        }
        // A thread can run several interpreters. Those that were made last come first, as inner frames do, since the
        // older ones have called them.
        threads.sort_by_key(|(_, thread)| core::cmp::Reverse(thread.interpreter));
        let mut found = Found::default();
        let mut late = 0;
        for (runtime, thread) in threads {
            if begin.elapsed() > TIME {
                late += 1;
                continue;
            }
            let stack = runtime.stack(memory, &thread);
            for number in thread.tids(memory) {
                add(found.by_number.entry(number).or_default(), &stack, thread.interpreter);
            }
        }
        let damaged = problem.map(|problem| format!("Python's stacks can't be read, or not all: {problem}"));
        let late = (late > 0).then(|| format!("{late} of Python's stacks were not read: it would have taken too long"));
        found.note = damaged.into_iter().chain(late).collect::<Vec<_>>().join("; ");
        found
    }
}

/// Adds the stack that a thread has in one interpreter, unless it is there: mostly all numbers of a thread are the
/// same.
fn add(whole: &mut Python, stack: &python::Stack, interpreter: u64) {
    if whole.frames.iter().any(|frame| frame.interpreter == interpreter) {
        return;
    }
    if let Some((count, before)) = stack.omitted {
        whole.omitted = Some((count, before + whole.frames.len() as u64));
    }
    whole.cut |= stack.is_cut;
    whole.frames.extend(stack.frames.iter().map(|frame| PythonFrame {
        function: frame.function.clone(),
        file: frame.file.clone(),
        line: frame.line,
        interpreter,
    }));
}

impl Found {
    /// The stack of the thread with this number; empty where it has none.
    pub fn of(&self, number: Option<u32>) -> Python {
        let number = number.and_then(|number| pid_t::try_from(number).ok());
        number.and_then(|number| self.by_number.get(&number)).cloned().unwrap_or_default()
    }
}
