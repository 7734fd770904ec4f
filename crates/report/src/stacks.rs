//! The stacks of a running process (`nosigpipe stack`), written as those of a crash are.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter, Write};

use crate::json::{self, Json};
use crate::text::{self, shown};
use crate::{Frame, Module, Python};
use wording::words::plural;

/// Version of the JSON schema, docs/stacks.schema.json.
pub const SCHEMA: u64 = 1;
/// Of threads with the same stack, how many different waits are shown as text.
const WAITS: usize = 10;
/// Threads in a deadlock, at most: a longer one is not looked for.
const LONGEST_DEADLOCK: usize = 64;

/// The stacks of a process.
#[derive(Clone, Default)]
pub struct Stacks {
    /// Base name of the executable file.
    pub program: String,
    /// The executable file.
    pub executable: String,
    /// Arguments, joined by spaces.
    pub command: String,
    /// The process.
    pub pid: i64,
    /// `2026-01-31T12:00:00.123Z`
    pub time: String,
    /// How long the process was stopped, in microseconds.
    pub stopped: u64,
    /// The threads, those with equal stacks together.
    pub groups: Vec<Group>,
    /// Cycles of threads each of which waits for the next one, and the last for the first; by thread id.
    pub deadlocks: Vec<Vec<i64>>,
    /// Why threads are missing, or a part of what they do; empty when nothing is.
    pub note: String,
    /// Every file that is mapped with code in it.
    pub modules: Vec<Module>,
}

/// Threads with the same stack.
#[derive(Clone, Default)]
pub struct Group {
    /// Sorted by id.
    pub threads: Vec<Thread>,
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// As [`crate::Report::omitted`].
    pub omitted: Option<(u64, u64)>,
    /// Whether the stack could not be followed to its end.
    pub cut: bool,
    /// The Python stack of each of them.
    pub python: Python,
}

/// A thread, and what it does.
#[derive(Clone, Default)]
pub struct Thread {
    /// Its id.
    pub tid: i64,
    /// Its name.
    pub name: String,
    /// What it waits for.
    pub wait: Wait,
}

/// What a thread does.
#[derive(Clone, Default, PartialEq)]
pub struct Wait {
    /// In words: `runs`, `waits in read on descriptor 0 (pipe:[123])`.
    pub text: String,
    /// The name of the system call that it is in; empty when it is in none.
    pub call: String,
    /// The descriptor that it waits for.
    pub descriptor: Option<i64>,
    /// What that descriptor is, as /proc/PID/fd names it: a path, `pipe:[123]`, `socket:[456]`.
    pub file: String,
    /// Of a socket, its addresses; none where they can't be read.
    pub socket: Option<Socket>,
    /// The address of the lock that it waits for.
    pub address: Option<u64>,
    /// The id of the thread that holds this lock, or that it joins.
    pub holder: Option<i64>,
}

/// A socket, as /proc/PID/net lists it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Socket {
    /// `TCP`, `UDP`, `raw IP` or `UNIX`.
    pub protocol: String,
    /// Its own address: `127.0.0.1:8000`, or a path; empty where it has none.
    pub local: String,
    /// The address of the other side; empty where it has none, or where the system does not tell it.
    pub peer: String,
    /// Of TCP, the state by its name in include/net/tcp_states.h; of UNIX, `LISTEN` or nothing.
    pub state: String,
}

impl Display for Socket {
    /// In words: `TCP 127.0.0.1:8000 to 127.0.0.1:43210, ESTABLISHED`.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.protocol)?;
        for (before, part) in [(" ", &self.local), (" to ", &self.peer), (", ", &self.state)] {
            if !part.is_empty() {
                write!(out, "{before}{part}")?;
            }
        }
        Ok(())
    }
}

impl Stacks {
    /// How many threads there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.groups.iter().map(|group| group.threads.len()).sum()
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let count = self.threads() as u64;
        let _ =
            write!(text, "nosigpipe: {} (pid {}), {count} thread{}, ", shown(&self.program), self.pid, plural(count));
        for character in self.time.chars() {
            match character {
                'T' => text.push(' '),
                'Z' => text.push_str(" UTC"),
                other => text.push(other),
            }
        }
        let _ = writeln!(text, ", stopped for {}.{:03} ms", self.stopped / 1000, self.stopped % 1000);
        for circle in &self.deadlocks {
            text.push_str("deadlock:");
            for (index, tid) in circle.iter().enumerate() {
                let next = circle.get(index + 1).or(circle.first()).unwrap_or(tid);
                let comma = if index == 0 { "" } else { "," };
                let _ = write!(text, "{comma} thread {tid} waits for thread {next}");
            }
            text.push('\n');
        }
        for group in &self.groups {
            if let [thread] = group.threads.as_slice() {
                let _ = writeln!(text, "stack of thread {} \"{}\":", thread.tid, shown(&thread.name));
            } else {
                let threads: Vec<_> = group.threads.iter().map(|thread| (thread.tid, thread.name.clone())).collect();
                let _ = write!(text, "stack of {} threads:", threads.len());
                text::many(&mut text, &threads);
                text.push('\n');
            }
            group.waits(&mut text);
            text::frames(&mut text, &group.frames, (group.omitted, group.cut), &self.modules, false);
            text::python(&mut text, &group.python);
        }
        if !self.note.is_empty() {
            let _ = writeln!(text, "{}", shown(&self.note));
        }
        text
    }

    /// For programs: one JSON object, with a newline at its end.
    #[must_use]
    pub fn json(&self) -> String {
        let mut json = Json::default();
        json.object(|json| {
            json.number("nosigpipe_stacks", SCHEMA);
            json.text("program", &self.program);
            json.text("executable", &self.executable);
            json.text("command", &self.command);
            json.signed("pid", self.pid);
            json.text("time", &self.time);
            json.number("stopped_us", self.stopped);
            json.key("deadlocks");
            json.array(&self.deadlocks, |json, circle| {
                json.array(circle, |json, tid| json.integer(*tid));
            });
            json.key("stacks");
            json.array(&self.groups, |json, group| {
                json.object(|json| {
                    json.key("threads");
                    json.array(&group.threads, |json, thread| json.object(|json| thread.members(json)));
                    json::frames(json, &group.frames, group.omitted, group.cut);
                    json::python(json, &group.python);
                });
            });
            json.text("note", &self.note);
            json::modules(json, &self.modules);
        });
        json.out.push('\n');
        json.out
    }
}

impl Group {
    /// What the threads wait for; threads that wait for the same are counted.
    fn waits(&self, text: &mut String) {
        let mut waits: Vec<(&Wait, u64, i64)> = Vec::new();
        for thread in &self.threads {
            match waits.iter_mut().find(|(wait, ..)| wait.text == thread.wait.text) {
                Some((_, count, _)) => *count += 1,
                None => waits.push((&thread.wait, 1, thread.tid)),
            }
        }
        if let [(wait, ..)] = waits.as_slice() {
            if !wait.text.is_empty() {
                let _ = writeln!(text, "  {}{}", if self.threads.len() > 1 { "each " } else { "" }, shown(&wait.text));
            }
            return;
        }
        for (wait, count, tid) in waits.iter().take(WAITS) {
            let _ = match count {
                1 => writeln!(text, "  thread {tid} {}", shown(&wait.text)),
                _ => writeln!(text, "  each of {count} {}", shown(&wait.text)),
            };
        }
        if waits.len() > WAITS {
            let _ = writeln!(text, "  and {} more waits, which --json shows", waits.len() - WAITS);
        }
    }
}

impl Thread {
    fn members(&self, json: &mut Json) {
        json.signed("tid", self.tid);
        json.text("name", &self.name);
        json.text("state", &self.wait.text);
        if !self.wait.call.is_empty() {
            json.text("system_call", &self.wait.call);
        }
        if let Some(descriptor) = self.wait.descriptor {
            json.signed("descriptor", descriptor);
        }
        if !self.wait.file.is_empty() {
            json.text("file", &self.wait.file);
        }
        if let Some(socket) = &self.wait.socket {
            json.key("socket");
            json.object(|json| {
                json.text("protocol", &socket.protocol);
                let parts = [("local", &socket.local), ("peer", &socket.peer), ("state", &socket.state)];
                for (key, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
                    json.text(key, part);
                }
            });
        }
        if let Some(address) = self.wait.address {
            json.address("lock", address);
        }
        if let Some(holder) = self.wait.holder {
            json.signed("holder", holder);
        }
    }
}

/// The cycles among threads that wait for each other. `waits_for` has each waiting thread's id with that of the thread it waits for.
#[must_use]
pub fn deadlocks(waits_for: &[(i64, i64)]) -> Vec<Vec<i64>> {
    let next = |tid: i64| waits_for.iter().find(|(waiter, _)| *waiter == tid).map(|(_, holder)| *holder);
    let mut cycles: Vec<Vec<i64>> = Vec::new();
    for &(first, _) in waits_for {
        let mut path = Vec::new();
        let mut at = first;
        while !path.contains(&at) && path.len() < LONGEST_DEADLOCK {
            path.push(at);
            match next(at) {
                Some(holder) => at = holder,
                None => break,
            }
        }
        // Each cycle is found from each of its threads, and kept when it is found from the one with the lowest id.
        let is_cycle = next(path.last().copied().unwrap_or(first)) == Some(first);
        if is_cycle && path.iter().min() == Some(&first) {
            cycles.push(path);
        }
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn each_deadlock_is_found_once() {
        assert_eq!(deadlocks(&[(1, 2), (2, 1), (3, 1)]), vec![vec![1, 2]]);
        assert_eq!(deadlocks(&[(5, 4), (4, 3), (3, 5), (9, 9)]), vec![vec![3, 5, 4], vec![9]]);
        assert!(deadlocks(&[(1, 2), (2, 3)]).is_empty());
    }
}
