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

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use python::{Frame, Runtime};
use unwind::ReadMemory;

/// Memory of another process.
struct Other(i32);

impl ReadMemory for Other {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: buffer.len() };
        // SAFETY: the kernel writes into `buffer` only.
        usize::try_from(unsafe { libc::process_vm_readv(self.0, &local, 1, &remote, 1, 0) }).unwrap_or(0)
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
        let (bias, dynamic, size) = self.module();
        let found = Runtime::find(&mut self.memory(), bias, dynamic, size).expect("a runtime");
        found.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// Bias and dynamic section of the one module with a runtime.
    fn module(&self) -> (u64, u64, u64) {
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
            if Runtime::find(&mut memory, bias, dynamic, size).is_some() {
                found.push((bias, dynamic, size));
            }
        }
        assert_eq!(found.len(), 1, "modules with a runtime\n{maps}");
        found.remove(0)
    }
}

/// A file's bias, and its dynamic section, by its headers.
fn dynamic(memory: &mut Other, start: u64) -> Option<(u64, u64, u64)> {
    let mut header = [0; 64];
    if !memory.read_exact(start, &mut header) || !header.starts_with(b"\x7fELF") {
        return None;
    }
    let table = u64::from_le_bytes(header[32..40].try_into().unwrap());
    let count = u16::from_le_bytes(header[56..58].try_into().unwrap());
    let mut bias = None;
    for index in 0..u64::from(count) {
        let mut entry = [0; 56];
        assert!(memory.read_exact(start + table + 56 * index, &mut entry));
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

/// What was read of a process, in which bytes can be changed.
#[derive(Default)]
struct Recorded {
    pages: BTreeMap<u64, Vec<u8>>,
    /// Who is asked for what is not there yet, while it is recorded.
    from: Option<Other>,
}

impl ReadMemory for Recorded {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = address.checked_add(done as u64) else { break };
            let (number, within) = (at / 4096, at as usize % 4096);
            if !self.pages.contains_key(&number) {
                let mut page = vec![0; 4096];
                let Some(from) = &mut self.from else { break };
                if !from.read_exact(number * 4096, &mut page) {
                    break;
                }
                self.pages.insert(number, page);
            }
            let take = (buffer.len() - done).min(4096 - within);
            buffer[done..done + take].copy_from_slice(&self.pages[&number][within..within + take]);
            done += take;
        }
        done
    }
}

/// xorshift64*, as in the other tests of damage: a failure comes again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

/// How long this thread has had a processor: a busy machine makes a round no longer.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one structure, into `time`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec.cast_unsigned() as u32)
}

/// Whatever is overwritten, stacks are read or they are not: nothing panics, takes long or grows without bound.
#[test]
fn whatever_is_overwritten_ends() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let rounds = number("NOSIGPIPE_TEST_ROUNDS", 150);
    let mut numbers = Numbers(number("NOSIGPIPE_TEST_SEED", 88_172_645_463_325_252) as u64);
    let python = Python::start("/usr/bin/python3");
    let (bias, dynamic, size) = python.module();
    let mut memory = Recorded { from: Some(python.memory()), ..Recorded::default() };
    let all = |memory: &mut Recorded| {
        let runtime = Runtime::find(memory, bias, dynamic, size)?.ok()?;
        let threads = runtime.threads(memory).ok()?;
        Some(threads.threads.iter().map(|thread| runtime.stack(memory, thread)).collect::<Vec<_>>())
    };
    let whole = all(&mut memory).expect("stacks");
    assert!(whole.len() > python.told.len());
    memory.from = None;
    let good = memory.pages.clone();
    let addresses: Vec<u64> = good.keys().copied().collect();
    let mut differ = 0;
    for round in 0..rounds {
        for _ in 0..=numbers.next(6) {
            let number = addresses[numbers.next(addresses.len())];
            let at = numbers.next(512) * 8;
            let other = addresses[numbers.next(addresses.len())] * 4096 + numbers.next(512) as u64 * 8;
            let values =
                [0, 1, u64::MAX, 0x4141_4141_4141_4141, other, number * 4096 + at as u64, numbers.next(1 << 20) as u64];
            let value = values[numbers.next(values.len())];
            let length = [8, 8, 64, 512][numbers.next(4)];
            let page = memory.pages.get_mut(&number).expect("a page");
            for word in page[at..].chunks_exact_mut(8).take(length / 8) {
                word.copy_from_slice(&value.to_le_bytes());
            }
        }
        let start = processor_time();
        let found = all(&mut memory);
        let taken = processor_time() - start;
        assert!(taken < Duration::from_secs(20), "round {round} takes {taken:?}");
        differ += usize::from(found.as_ref() != Some(&whole));
        for stack in found.unwrap_or_default() {
            assert!(stack.frames.len() <= 256, "round {round}");
            assert!(stack.frames.iter().all(|frame| frame.function.chars().count() <= 4099), "round {round}");
        }
        memory.pages.clone_from(&good);
    }
    assert!(differ > rounds / 4, "the damage is where nobody looks: {differ} of {rounds}");
}
