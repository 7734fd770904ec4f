//! Stacks of running interpreters, as this crate reads them, beside what Python itself says of them.
//!
//! Debian's `python3` is always asked. NOSIGPIPE_TEST_PYTHONS names others, as paths with colons between them.

#![cfg(target_os = "linux")]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};

use python::{Frame, Memory, Runtime};

/// Memory of another process.
struct Other(i32);

impl Memory for Other {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> bool {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: buffer.len() };
        // SAFETY: the kernel writes into `buffer` only.
        unsafe { libc::process_vm_readv(self.0, &local, 1, &remote, 1, 0) == buffer.len().cast_signed() }
    }
}

struct Python {
    child: Child,
    _stdin: ChildStdin,
    /// Each thread's id as pthread_self(3) and as gettid(2) have it (0 where Python does not know), and its stack.
    told: Vec<(u64, i32, Vec<Frame>)>,
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Python {
    fn start(program: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/threads.py");
        let mut child = Command::new(program)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let stdin = child.stdin.take().expect("it is a pipe");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is a pipe")).read_line(&mut line).expect("a line");
        let value: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let frame = |frame: &serde_json::Value| Frame {
            function: frame[0].as_str().unwrap().to_owned(),
            file: frame[1].as_str().unwrap().to_owned(),
            line: frame[2].as_u64().unwrap(),
        };
        let thread = |thread: &serde_json::Value| {
            let frames = thread[2].as_array().unwrap().iter().map(frame).collect();
            (thread[0].as_u64().unwrap(), thread[1].as_i64().unwrap() as i32, frames)
        };
        let told = value.as_array().unwrap().iter().map(thread).collect();
        Self { child, _stdin: stdin, told }
    }

    fn memory(&self) -> Other {
        Other(self.child.id().cast_signed())
    }

    /// The one runtime in it, found as the report finds it.
    fn runtime(&self) -> Runtime {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.child.id())).expect("maps");
        let mut memory = self.memory();
        let mut found = Vec::new();
        for line in maps.lines() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if fields[2] != "00000000" || fields.get(5).is_none_or(|path| !path.starts_with('/')) {
                continue;
            }
            let start = u64::from_str_radix(fields[0].split('-').next().unwrap(), 16).unwrap();
            let Some((bias, dynamic, size)) = dynamic(&mut memory, start) else { continue };
            found.extend(Runtime::find(&mut memory, bias, dynamic, size));
        }
        assert_eq!(found.len(), 1, "one runtime\n{maps}");
        found.remove(0).unwrap_or_else(|problem| panic!("{problem}"))
    }
}

/// A file's bias, and its dynamic section, by its headers.
fn dynamic(memory: &mut Other, start: u64) -> Option<(u64, u64, u64)> {
    let mut header = [0; 64];
    if !memory.read(start, &mut header) || !header.starts_with(b"\x7fELF") {
        return None;
    }
    let table = u64::from_le_bytes(header[32..40].try_into().unwrap());
    let count = u16::from_le_bytes(header[56..58].try_into().unwrap());
    let mut bias = None;
    for index in 0..u64::from(count) {
        let mut entry = [0; 56];
        assert!(memory.read(start + table + 56 * index, &mut entry));
        let word = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
        match u32::from_le_bytes(entry[..4].try_into().unwrap()) {
            1 if bias.is_none() => bias = Some(start.wrapping_sub(word(16) - word(8))),
            2 => return Some((bias?, bias?.wrapping_add(word(16)), word(40))),
            _ => {}
        }
    }
    None
}

/// What Python says of a stack, as far as we show it.
fn shown(told: &[Frame]) -> (Vec<Frame>, Option<(u64, u64)>) {
    if told.len() <= 256 {
        return (told.to_vec(), None);
    }
    let left_out = told.len() - 256;
    let frames = told[..192].iter().chain(&told[192 + left_out..]).cloned();
    (frames.collect(), Some((left_out as u64, 192)))
}

fn judge(program: &str) {
    let python = Python::start(program);
    let mut memory = python.memory();
    let runtime = python.runtime();
    let threads = runtime.threads(&mut memory).expect("threads");
    assert!(threads.is_complete);
    let mut judged = 0;
    let tids: Vec<i32> = fs::read_dir(format!("/proc/{}/task", python.child.id()))
        .expect("threads")
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    for (pthread, tid, told) in &python.told {
        let thread = threads.threads.iter().find(|thread| thread.pthread == *pthread).expect("a thread");
        let ours: Vec<i32> = tids.iter().copied().filter(|&tid| thread.is(&mut memory, tid)).collect();
        assert_eq!(ours, [*tid], "{program}: by its number");
        assert_eq!(thread.interpreter, 0);
        let stack = runtime.stack(&mut memory, thread);
        let (frames, omitted) = shown(told);
        assert_eq!(stack.frames, frames, "{program}");
        assert_eq!(stack.omitted, omitted, "{program}");
        assert!(!stack.is_cut);
        judged += 1;
    }
    assert!(judged >= 14, "{program}: {judged}");
}

#[test]
fn stacks_are_as_python_says() {
    judge("/usr/bin/python3");
    for program in
        std::env::var("NOSIGPIPE_TEST_PYTHONS").unwrap_or_default().split(':').filter(|name| !name.is_empty())
    {
        judge(program);
    }
}
