//! Looks into a running process, by /proc and its memory.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::exit::{Failure, NO_PERMISSION, NO_PROCESS, NOT_LOADED};
use crate::snapshot::{Library, Signals, Snapshot};
use formats::maps;
use settings::layout;
use unwind::{elf, exports};

use super::memory::{ProcessMemory, is_refusal};
use super::permission::{Call, field, missing_right};

/// What can be seen of a process.
pub struct Process {
    /// Its name in /proc/PID/comm, of 15 bytes at most.
    pub name: String,
    /// Its pid in its own namespace, where the library runs.
    pub inner_pid: u32,
    /// What the kernel does with its signals.
    pub signals: Signals,
    /// The library, if it is there.
    pub library: Option<Library>,
    /// Its mappings of files.
    modules: Vec<Mapping>,
}

/// A line of /proc/PID/maps that has a file: addresses from `start` to before `end`, and the offset in the file, in
/// bytes.
struct Mapping {
    start: u64,
    end: u64,
    offset: u64,
    path: String,
}

/// Every process that can be seen.
pub fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// A file that /proc has of a process, whose name in it may be any bytes.
pub fn text(path: String) -> io::Result<String> {
    fs::read(path).map(|content| String::from_utf8_lossy(&content).into_owned())
}

/// The parent process; after that one's end the process that the kernel has put in its place (init or a subreaper).
pub fn parent_of(pid: u32) -> Option<u32> {
    let status = text(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Its name in /proc/PID/comm, which anybody may read.
pub fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned())
}

/// Looks into a process.
///
/// # Errors
/// When there is none, it may not be looked into, or the search for the library takes too long.
pub fn inspect(pid: u32) -> Result<Process, Failure> {
    let fail = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(NO_PROCESS, format!("no process {pid}")),
        io::ErrorKind::TimedOut => Failure::new(
            NOT_LOADED,
            format!("the library was not found in process {pid}: it has more mapped files than could be looked at"),
        ),
        // The process has ended meanwhile.
        _ if error.raw_os_error() == Some(libc::ESRCH) => Failure::new(NO_PROCESS, format!("no process {pid}")),
        _ if is_refusal(error) => {
            let status = text(format!("/proc/{pid}/status")).unwrap_or_default();
            let missing = missing_right(pid.cast_signed(), &status, Call::ProcessVmReadv);
            Failure::new(NO_PERMISSION, format!("no permission to look into process {pid}: {missing}"))
        }
        _ => Failure::about(format_args!("process {pid}"), error),
    };
    let status = text(format!("/proc/{pid}/status")).map_err(|error| fail(&error))?;
    let field = |name: &str| field(&status, name);
    let shown = living_thread(pid);
    if shown == pid && field("State").starts_with('Z') {
        return Err(Failure::new(NO_PROCESS, format!("process {pid} has ended, and its parent has not asked how")));
    }
    let set = |name: &str| u64::from_str_radix(field(name), 16).unwrap_or(0);
    let modules = mappings(shown).map_err(|error| fail(&error))?;
    let mut memory = ProcessMemory::of(shown.cast_signed());
    let library = match find_library(&mut memory, &modules) {
        Ok(Some(library)) => Some(library),
        // Its memory goes first, which takes a large process its time.
        _ if is_ending(shown) => return Err(Failure::new(NO_PROCESS, format!("process {pid} is ending"))),
        Ok(None) => None,
        Err(error) => return Err(fail(&error)),
    };
    Ok(Process {
        name: field("Name").to_owned(),
        inner_pid: field("NSpid").split_whitespace().last().and_then(|pid| pid.parse().ok()).unwrap_or(pid),
        signals: Signals { ignored: set("SigIgn"), caught: set("SigCgt"), blocked: Some(set("SigBlk")) },
        library,
        modules,
    })
}

impl Process {
    /// The file that is mapped at an address, and the offset from the file's first mapping: `FILE+0xOFFSET`.
    pub fn module_offset(&self, address: u64) -> Option<String> {
        let within = self.modules.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))?;
        let first = self.modules.iter().find(|mapping| mapping.path == within.path)?;
        Some(format!("{}+{:#x}", within.path, address - first.start))
    }
}

/// The number by which the kernel shows a process's memory and descriptors: its own, or where its main thread has ended before the others,
/// that of one of these.
pub fn living_thread(pid: u32) -> u32 {
    if !has_ended(pid, pid) {
        return pid;
    }
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut tids = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    tids.find(|&tid| !has_ended(pid, tid)).unwrap_or(pid)
}

/// The fields of a thread behind its name, which stands in parentheses and may have any of these in it (proc_pid_stat(5)).
fn stat(pid: u32, tid: u32) -> Option<String> {
    let stat = text(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

/// A thread's state, a letter.
pub fn state(pid: u32, tid: u32) -> Option<char> {
    stat(pid, tid)?.chars().next()
}

/// Whether a thread has ended. Its entry may stay: the first thread's does, as a zombie, while others go on.
pub fn has_ended(pid: u32, tid: u32) -> bool {
    matches!(state(pid, tid), None | Some('Z' | 'X'))
}

/// Whether the kernel is taking the process apart, or has done so.
pub fn is_ending(pid: u32) -> bool {
    // PF_EXITING of linux/sched.h, in the seventh field.
    const EXITING: u64 = 0x4;
    let Some(fields) = stat(pid, pid) else { return true };
    let flags = fields.split(' ').nth(6).and_then(|flags| flags.parse().ok());
    flags.is_some_and(|flags: u64| flags & EXITING != 0)
}

/// The mappings of files in a process, in ascending order.
fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let text = fs::read(format!("/proc/{pid}/maps"))?;
    let with_file = |line| maps::line(line).filter(|line| line.path.starts_with(b"/"));
    let mapping = |line: maps::Line| Mapping {
        start: line.start,
        end: line.end,
        offset: line.offset,
        path: String::from_utf8_lossy(line.path).into_owned(),
    };
    Ok(text.split(|&byte| byte == b'\n').filter_map(with_file).map(mapping).collect())
}

/// How long a process is searched for the library. Even a large process takes a hundredth of that.
const SEARCH: Duration = Duration::from_secs(2);

/// Finds the library by the symbol that it exports, whatever its file is called. Everything is read from the process's
/// memory: the file may be deleted, replaced by another, or in another mount namespace. Of several copies, the one
/// whose state all of them use is taken.
fn find_library(memory: &mut ProcessMemory, modules: &[Mapping]) -> io::Result<Option<Library>> {
    let mut unused = None;
    // A process of somebody else may have been made so that the search never ends.
    let deadline = Instant::now() + SEARCH;
    // A file with nosigpipe in its name is likely to be the library, and is searched first.
    let (likely, rest): (Vec<_>, Vec<_>) =
        modules.iter().filter(|module| module.offset == 0).partition(|module| module.path.contains("nosigpipe"));
    for module in likely.into_iter().chain(rest) {
        if Instant::now() > deadline {
            return if unused.is_some() { Ok(unused) } else { Err(io::ErrorKind::TimedOut.into()) };
        }
        let address = match symbol(memory, module.start) {
            Ok(Some(address)) => address,
            Ok(None) => continue,
            // A mapping may have gone, or may not be readable.
            Err(error) if !is_refusal(&error) => continue,
            Err(error) => return Err(error),
        };
        let state = memory.bytes_at(address, Snapshot::SIZE)?;
        let library = Library::new(module.path.clone(), &state, |address, size| memory.bytes_at(address, size).ok());
        if library.is_used() {
            return Ok(Some(library));
        }
        unused = unused.or(Some(library));
    }
    Ok(unused)
}

/// The address of [`layout::SYMBOL`] in the ELF image that is mapped at `start`.
fn symbol(memory: &mut ProcessMemory, start: u64) -> io::Result<Option<u64>> {
    // An error here tells that the process may not be read. An image that makes no sense is no error: it is not the
    // library.
    memory.read_at(start, &mut [0; 64])?;
    let Some(segments) = elf::segments(memory, start) else { return Ok(None) };
    let segment = |kind: u32| segments.iter().find(|segment| segment.kind == kind);
    let (Some(load), Some(dynamic)) = (segment(elf::PT_LOAD), segment(elf::PT_DYNAMIC)) else { return Ok(None) };
    // The first segment is mapped from the start of the page that it begins in.
    let bias = start.wrapping_sub(load.address & !0xfff);
    let exports = exports(memory, bias, bias.wrapping_add(dynamic.address), dynamic.size);
    Ok(exports.and_then(|exports| exports.address(memory, layout::SYMBOL.as_bytes())))
}
