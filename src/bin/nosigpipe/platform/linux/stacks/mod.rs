//! The stacks of a running process, which goes on.
//!
//! All its threads are stopped by ptrace(2), their registers and stacks are copied, and they are let go. What takes
//! longer, unwinding and naming, is done with the copies.

mod call;
mod hold;
mod map;
mod memory;
mod names;
mod pythons;
mod refusal;
mod wait;

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime};

use libc::pid_t;
use processor::{PROGRAM_COUNTER, Registers, STACK_POINTER, registers_of_user};
use report::Python;
use report::stacks::{Group, Stacks, Thread, deadlocks};
use unwind::{Clock, ReadMemory, Stack, Unwinder};

use crate::exit::Failure;
use crate::platform::process;
use call::Call;
use hold::{Hold, State};
use map::{Map, Mapping, mapping_of};
use memory::Memory;
use names::{Mapped, Names};
use pythons::Pythons;
use wait::Doing;

/// How long unwinding all stacks may take.
const TIME: Duration = Duration::from_secs(20);
/// How many frames in a row may be found by searching the stack for return addresses, where there is nothing better.
/// Each of them may be wrong.
const GUESSES: u32 = 4;
/// What a function may use below its stack pointer, in bytes (System V ABI for x86_64, "The Stack Frame").
const RED_ZONE: u64 = 128;
/// What is copied of one stack at most, in bytes; once all copies together have `ALL_STACKS` bytes, it is
/// `SMALL_STACK`.
const LARGEST_STACK: u64 = 64 << 20;
const SMALL_STACK: u64 = 64 << 10;
const ALL_STACKS: u64 = 512 << 20;
/// In how many bytes of a stack a signal's frame is looked for: the handler may run on a stack of its own.
const SEARCHED: usize = 64 << 10;

/// A thread as it was found.
struct Found {
    tid: pid_t,
    /// Its registers; only two of them if it could not be stopped, and none if it could not be read.
    registers: Option<Registers>,
    doing: Doing,
    /// Whether the process was stopped by a signal before.
    in_group_stop: bool,
}

/// The stacks of a process, and a remark for its user on standard error. A thread's number stands for its process. Debug files
/// are looked for in these directories, too.
///
/// # Errors
/// When there is no such process, it may not be looked into, or it has no stacks that can be read.
pub fn look(number: u32, directories: &[String]) -> Result<(Stacks, Option<String>), Failure> {
    let (pid, remark) = refusal::process_of(number)?;
    refusal::without_ptrace(pid)?;
    // Where CPython is does not change, so it is looked for before the process is stopped.
    let shown = process::living_thread(pid.cast_unsigned()).cast_signed();
    let pythons = map::mappings(shown).map(|mappings| {
        let mut memory = Memory::of(shown);
        Pythons::find(&Map::new(shown, mappings, &mut memory), &mut memory)
    });
    let mut memory = Memory::of(shown);
    let mut hold = Hold::seize(pid).map_err(|error| refusal::of(pid, &error))?;
    hold.stop().map_err(|error| refusal::of(pid, &error))?;
    let mappings = map::mappings(shown).map_err(|error| refusal::of(pid, &error))?;
    let mut copied = 0;
    let found: Vec<Found> = hold
        .threads
        .iter()
        .filter(|thread| thread.state != State::Gone)
        .map(|thread| {
            let found = find(pid, thread, &mut memory);
            if let Some(registers) = &found.registers {
                let most = if copied < ALL_STACKS { LARGEST_STACK } else { SMALL_STACK };
                copied += copy_stacks(&mut memory, &mappings, registers, most);
            }
            found
        })
        .collect();
    let python = pythons.map(|pythons| pythons.stacks(&mut memory)).unwrap_or_default();
    hold.release();
    let stopped = hold.since.elapsed();
    drop(hold);
    if found.is_empty() {
        return Err(refusal::of(pid, &std::io::Error::from_raw_os_error(libc::ESRCH)));
    }
    memory.process_goes_on(&mappings);
    let map = Map::new(shown, mappings, &mut memory);
    let mut stacks = describe(pid, &map, directories, &mut memory, &found, &python);
    stacks.stopped = u64::try_from(stopped.as_micros()).unwrap_or(u64::MAX);
    Ok((stacks, remark))
}

/// A thread's registers and call, while it is stopped.
fn find(pid: pid_t, thread: &hold::Thread, memory: &mut Memory) -> Found {
    let tid = thread.tid;
    let mut found = Found { tid, registers: None, doing: Doing::Unknown, in_group_stop: false };
    match thread.state {
        State::Stopped { in_group_stop, .. } => {
            found.in_group_stop = in_group_stop;
            let Some(user) = hold::registers(tid) else { return found };
            found.registers = Some(registers_of_user(&user));
            let call = call::waiting(&user, |at| read_array(memory, at));
            found.doing = call.map_or(Doing::Running, Doing::Waiting);
            if let Some(changed) = call::start_again(&user) {
                hold::set_registers(tid, &changed);
            }
        }
        State::Running => {
            // It could not be stopped: it is in a system call that nothing interrupts, or waits for its vfork child.
            // /proc has the two registers with which its stack can be unwound.
            let line = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).unwrap_or_default();
            let call = Call::of_line(&line);
            found.doing = Doing::Stuck(call.and_then(|(call, ..)| call));
            found.registers = call.map(|(_, sp, pc)| {
                let mut registers = Registers::NONE;
                for (register, value) in [(STACK_POINTER, sp), (PROGRAM_COUNTER, pc)] {
                    if let Some(to) = registers.general.get_mut(register) {
                        *to = value;
                    }
                }
                registers
            });
        }
        State::Gone | State::Refused => {}
    }
    if let Doing::Waiting(call) | Doing::Stuck(Some(call)) = found.doing {
        wait::copy(memory, &call);
    }
    found
}

/// Bytes at an address; `None` if they can't all be read.
fn read_array<const N: usize>(memory: &mut Memory, at: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (memory.read(at, &mut bytes) == N).then_some(bytes)
}

/// Copies a thread's stack from its stack pointer on. If the thread is in a handler that runs on a stack of its own,
/// the stack that the signal has interrupted is copied, too. Returns how many bytes that were. Of each stack at most
/// `most` bytes are copied.
fn copy_stacks(memory: &mut Memory, mappings: &[Mapping], registers: &Registers, most: u64) -> u64 {
    let sp = registers.sp();
    let Some(mapping) = mapping_of(mappings, sp).filter(|mapping| mapping.writable) else { return 0 };
    let start = sp.saturating_sub(RED_ZONE).max(mapping.start);
    let stack = memory.copy_stack(start, mapping.end.min(start.saturating_add(most)));
    let length = stack.len() as u64;
    let interrupted = interrupted_stack(stack.get(..SEARCHED.min(stack.len())).unwrap_or_default(), mappings);
    if let Some((other, end)) = interrupted.filter(|&(other, _)| !(mapping.start..mapping.end).contains(&other)) {
        let start = other.saturating_sub(RED_ZONE);
        return length + memory.copy_stack(start, end.min(start.saturating_add(most))).len() as u64;
    }
    length
}

/// The stack that a signal has interrupted: on arm64 a signal's context has no field with a fixed value by which it
/// could be found as quickly as on x86_64.
#[cfg(target_arch = "aarch64")]
fn interrupted_stack(_stack: &[u8], _mappings: &[Mapping]) -> Option<(u64, u64)> {
    None
}

/// The stack that a signal has interrupted: the stack pointer in the first bytes that can be a signal's context
/// (ucontext_t), and the end of the mapping that it points into.
#[cfg(target_arch = "x86_64")]
fn interrupted_stack(stack: &[u8], mappings: &[Mapping]) -> Option<(u64, u64)> {
    use processor::{GREGS, IN_CONTEXT};
    let words: Vec<u64> =
        stack.chunks_exact(8).map(|word| word.try_into().map(u64::from_le_bytes).unwrap_or(0)).collect();
    let place = |register: usize| IN_CONTEXT.get(register).map(|index| GREGS as usize / 8 + index);
    let (sp_at, pc_at) = (place(STACK_POINTER)?, place(PROGRAM_COUNTER)?);
    (0..words.len()).find_map(|context| {
        let pc = *words.get(context + pc_at)?;
        // REG_CSGSFS, two words behind REG_RIP, begins with the code segment's selector: 0x33 in a 64-bit program
        // (__USER_CS in Linux's asm/segment.h).
        (words.get(context + pc_at + 2)? & 0xffff == 0x33).then_some(())?;
        mapping_of(mappings, pc).filter(|mapping| mapping.executable)?;
        let sp = *words.get(context + sp_at)?;
        mapping_of(mappings, sp).filter(|mapping| mapping.writable).map(|mapping| (sp, mapping.end))
    })
}

/// Unwinds and names what was copied.
fn describe(
    pid: pid_t,
    map: &Map,
    directories: &[String],
    memory: &mut Memory,
    found: &[Found],
    python: &pythons::Found,
) -> Stacks {
    let names = Names::new(map, directories);
    let clock = Clock { now: nanoseconds, deadline: nanoseconds().saturating_add(TIME.as_nanos() as u64) };
    let mut unwinder: Unwinder<_, gimli::StoreOnHeap> =
        Unwinder::new(Mapped { map, names: &names }, clock).with_guesses(GUESSES);
    let comm = |tid: pid_t| fs::read(format!("/proc/{pid}/task/{tid}/comm")).unwrap_or_default();
    let thread_names: HashMap<pid_t, String> = found
        .iter()
        .map(|found| (found.tid, String::from_utf8_lossy(&comm(found.tid)).trim_end().to_owned()))
        .collect();
    let numbers = wait::numbers(pid, found.iter().map(|found| found.tid));
    let mut stacks: Vec<(Stack, Python, Vec<&Found>)> = Vec::new();
    let mut by_stack: HashMap<Vec<u64>, Vec<usize>> = HashMap::new();
    let (mut late, mut unread) = (0u64, 0u64);
    for found in found {
        let is_late = nanoseconds() > clock.deadline;
        late += u64::from(is_late);
        unread += u64::from(found.registers.is_none());
        let stack = found.registers.filter(|_| !is_late).map(|registers| unwinder.stack(memory, &registers));
        let stack = stack.unwrap_or_default();
        let python = python.of(numbers.get(&found.tid).copied());
        let same = by_stack.entry(stack.frames.iter().map(|frame| frame.pc).collect()).or_default();
        let is_known =
            |index: &usize| stacks.get(*index).is_some_and(|(known, called, _)| *known == stack && *called == python);
        match same.iter().copied().find(is_known).and_then(|index| stacks.get_mut(index)) {
            Some((.., threads)) => threads.push(found),
            None => {
                same.push(stacks.len());
                stacks.push((stack, python, vec![found]));
            }
        }
    }
    let mut threads = wait::Threads::new(pid, map.pid, memory, thread_names.clone(), &numbers);
    let mut groups = Vec::new();
    let mut waits_for = Vec::new();
    for (stack, python, members) in stacks {
        let (frames, omitted) = names.frames(&stack);
        let mut group = Group { threads: Vec::new(), frames, omitted, cut: stack.cut, python };
        for found in members {
            let wait = threads.wait(found.doing, found.in_group_stop, &group.frames);
            waits_for.extend(wait.holder.map(|holder| (i64::from(found.tid), holder)));
            let name = thread_names.get(&found.tid).cloned().unwrap_or_default();
            group.threads.push(Thread { tid: found.tid.into(), name, wait });
        }
        groups.push(group);
    }
    let executable = fs::read_link(format!("/proc/{}/exe", map.pid)).unwrap_or_default();
    let executable = executable.to_string_lossy().into_owned();
    let program = executable.strip_suffix(" (deleted)").unwrap_or(&executable);
    let program = program.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
    let command = fs::read(format!("/proc/{}/cmdline", map.pid)).unwrap_or_default();
    let mut notes = Vec::new();
    if late > 0 {
        notes.push(format!("{late} stacks were not followed: there was no time left"));
    }
    if unread > 0 {
        notes.push(format!("{unread} stacks can't be read: the threads did not stop, or another tracer has them"));
    }
    if !python.note.is_empty() {
        notes.push(python.note.clone());
    }
    let not_read = symbols::elf::not_read();
    if !not_read.is_empty() {
        notes.push(not_read.to_owned());
    }
    Stacks {
        program: program.or_else(|| process::name_of(pid.cast_unsigned())).unwrap_or_default(),
        executable,
        command: String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " "),
        pid: pid.into(),
        time: time(),
        stopped: 0,
        deadlocks: deadlocks(&waits_for),
        groups,
        note: notes.join("; "),
        modules: names.modules(),
    }
}

/// A clock that only goes forward, in nanoseconds.
fn nanoseconds() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Now, as reports have it: `2026-01-31T12:00:00.123Z`.
fn time() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs().cast_signed();
    // SAFETY: all zeros is a valid tm, and the call only uses two variables of this function.
    let parts = unsafe {
        let mut parts: libc::tm = std::mem::zeroed();
        libc::gmtime_r(&raw const seconds, &raw mut parts);
        parts
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        parts.tm_year + 1900,
        parts.tm_mon + 1,
        parts.tm_mday,
        parts.tm_hour,
        parts.tm_min,
        parts.tm_sec,
        now.subsec_millis()
    )
}
