//! Looking into a running process: /proc, and its memory.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::exit::{Failure, NO_PERMISSION, NO_PROCESS, NOT_LOADED};
use crate::snapshot::{Library, Signals, Snapshot};
use settings::layout;

/// What a process has of us, and what the kernel has for it.
pub struct Process {
    /// Its short name.
    pub name: String,
    /// Its pid in its own namespace, where the library runs.
    pub inner_pid: u32,
    /// What the kernel does with its signals.
    pub signals: Signals,
    /// The library, if it is there.
    pub library: Option<Library>,
    modules: Vec<Mapping>,
}

/// A line of /proc/PID/maps that has a file.
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

/// The parent process; after that one's end the process that the kernel has put in its place (init or a subreaper).
pub fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Its short name, which anybody may know.
pub fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(name.strip_suffix(b"\n").unwrap_or(&name)).into_owned())
}

/// Looks into a process.
pub fn inspect(pid: u32) -> Result<Process, Failure> {
    let fail = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(NO_PROCESS, format!("no process {pid}")),
        io::ErrorKind::TimedOut => Failure::new(
            NOT_LOADED,
            format!("the library was not found in process {pid}: it has more mapped files than could be looked at"),
        ),
        // The process has ended meanwhile.
        _ if error.raw_os_error() == Some(libc::ESRCH) => Failure::new(NO_PROCESS, format!("no process {pid}")),
        io::ErrorKind::PermissionDenied => {
            Failure::new(NO_PERMISSION, format!("no permission to look into process {pid}: be its user, or root"))
        }
        _ => Failure::about(format_args!("process {pid}"), error),
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| fail(&error))?;
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim).unwrap_or_default()
    };
    if field("State").starts_with('Z') {
        return Err(Failure::new(NO_PROCESS, format!("process {pid} has ended, and its parent has not asked how")));
    }
    let set = |name: &str| u64::from_str_radix(field(name), 16).unwrap_or(0);
    let modules = mappings(pid).map_err(|error| fail(&error))?;
    let memory = Memory::of(pid);
    let library = find_library(&memory, &modules).map_err(|error| fail(&error))?;
    Ok(Process {
        name: field("Name").to_owned(),
        inner_pid: field("NSpid").split_whitespace().last().and_then(|pid| pid.parse().ok()).unwrap_or(pid),
        signals: Signals { ignored: set("SigIgn"), caught: set("SigCgt"), blocked: Some(set("SigBlk")) },
        library,
        modules,
    })
}

impl Process {
    /// The module that an address is in, and the offset from its start.
    pub fn module_offset(&self, address: u64) -> Option<String> {
        let within = self.modules.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))?;
        let first = self.modules.iter().find(|mapping| mapping.path == within.path)?;
        Some(format!("{}+{:#x}", within.path, address - first.start))
    }
}

fn mappings(pid: u32) -> io::Result<Vec<Mapping>> {
    let text = fs::read(format!("/proc/{pid}/maps"))?;
    let text = String::from_utf8_lossy(&text);
    let with_file = |line| unwind::maps::line(line).filter(|line| line.path.starts_with('/'));
    let mapping = |line: unwind::maps::Line| Mapping {
        start: line.start,
        end: line.end,
        offset: line.offset,
        path: line.path.to_owned(),
    };
    Ok(text.lines().filter_map(with_file).map(mapping).collect())
}

/// How long a process is searched for the library; a large one takes a hundredth of that.
const SEARCH: Duration = Duration::from_secs(2);

/// Finds the library by the symbol that it exports, whatever its file is called. Everything is read from the process's
/// memory: the file may be deleted, replaced by another, or in another mount namespace. Of several copies, that
/// whose state all of them use.
fn find_library(memory: &Memory, modules: &[Mapping]) -> io::Result<Option<Library>> {
    let mut unused = None;
    // A process of somebody else may have been made so that the search never ends.
    let deadline = Instant::now() + SEARCH;
    // What is called as we are comes first.
    let (likely, rest): (Vec<_>, Vec<_>) =
        modules.iter().filter(|module| module.offset == 0).partition(|module| module.path.contains("nosigpipe"));
    for module in likely.into_iter().chain(rest) {
        if Instant::now() > deadline {
            return if unused.is_some() { Ok(unused) } else { Err(io::ErrorKind::TimedOut.into()) };
        }
        let address = match symbol(memory, module.start) {
            Ok(Some(address)) => address,
            Ok(None) => continue,
            // A mapping may have gone, or not be readable.
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => continue,
            Err(error) => return Err(error),
        };
        let state = memory.read(address, Snapshot::SIZE)?;
        let library = Library::new(module.path.clone(), &state, |address, size| memory.read(address, size).ok());
        if library.is_used() {
            return Ok(Some(library));
        }
        unused = unused.or(Some(library));
    }
    Ok(unused)
}

/// The address of [`layout::SYMBOL`] in the ELF image that is mapped at `start`.
fn symbol(memory: &Memory, start: u64) -> io::Result<Option<u64>> {
    use object::elf::{DT_GNU_HASH, DT_STRTAB, DT_SYMTAB, PT_DYNAMIC, PT_LOAD};
    const HEADER: usize = 64;
    const SEGMENT: usize = 56;

    let header = memory.read(start, HEADER)?;
    if !header.starts_with(b"\x7fELF\x02") {
        return Ok(None);
    }
    let segments = memory.read(start + u64_at(&header, 32), SEGMENT * usize::from(u16_at(&header, 56)))?;
    let segment = |kind: u32| segments.chunks_exact(SEGMENT).find(|segment| u32_at(segment, 0) == kind);
    let (Some(load), Some(dynamic)) = (segment(PT_LOAD.0), segment(PT_DYNAMIC.0)) else { return Ok(None) };
    let bias = start.wrapping_sub(u64_at(load, 16) & !0xfff);
    let dynamic = memory.read(bias.wrapping_add(u64_at(dynamic, 16)), u64_at(dynamic, 40).min(1 << 16) as usize)?;
    // glibc's loader has made addresses of these in place, and musl's leaves them as they are in the file.
    let table = |tag: i64| {
        let value =
            dynamic.chunks_exact(16).find(|entry| u64_at(entry, 0) as i64 == tag).map(|entry| u64_at(entry, 8))?;
        Some(if value < start { bias.wrapping_add(value) } else { value })
    };
    let (Some(hash), Some(symbols), Some(strings)) = (table(DT_GNU_HASH.0), table(DT_SYMTAB.0), table(DT_STRTAB.0))
    else {
        return Ok(None);
    };

    // DT_GNU_HASH: four words, a Bloom filter, the buckets, the chains.
    let head = memory.read(hash, 16)?;
    let (buckets, first, bloom) = (u32_at(&head, 0), u32_at(&head, 4), u32_at(&head, 8));
    if buckets == 0 {
        return Ok(None);
    }
    let wanted = object::elf::gnu_hash(layout::SYMBOL.as_bytes());
    let buckets_at = hash + 16 + 8 * u64::from(bloom);
    let chains_at = buckets_at + 4 * u64::from(buckets);
    let start_of_chain = u32_at(&memory.read(buckets_at + 4 * u64::from(wanted % buckets), 4)?, 0);
    if start_of_chain < first {
        return Ok(None);
    }
    // A chain ends with an odd hash; a damaged one need not end at all.
    for index in start_of_chain..start_of_chain.saturating_add(1 << 12) {
        let found = u32_at(&memory.read(chains_at + 4 * u64::from(index - first), 4)?, 0);
        if found | 1 == wanted | 1 {
            let entry = memory.read(symbols + 24 * u64::from(index), 24)?;
            let name = memory.read(strings + u64::from(u32_at(&entry, 0)), layout::SYMBOL.len() + 1)?;
            let is_defined = u16_at(&entry, 6) != 0;
            if is_defined && name.strip_suffix(b"\0") == Some(layout::SYMBOL.as_bytes()) {
                return Ok(Some(bias.wrapping_add(u64_at(&entry, 8))));
            }
        }
        if found & 1 != 0 {
            break;
        }
    }
    Ok(None)
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    bytes.get(offset..offset + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..offset + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// A process's memory.
struct Memory {
    pid: libc::pid_t,
    /// Where process_vm_readv(2) is forbidden (a seccomp filter, an old container) this may still be allowed.
    file: Option<File>,
}

impl Memory {
    fn of(pid: u32) -> Self {
        Self { pid: pid.cast_signed(), file: File::open(format!("/proc/{pid}/mem")).ok() }
    }

    /// Copies bytes out.
    fn read(&self, address: u64, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0u8; size];
        let here = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: size };
        let there = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: size };
        // SAFETY: `here` is our buffer; `there` is only looked up in the other process, and faults are errors.
        let copied = unsafe { libc::process_vm_readv(self.pid, &raw const here, 1, &raw const there, 1, 0) };
        if usize::try_from(copied) == Ok(size) {
            return Ok(bytes);
        }
        let error = if copied < 0 { io::Error::last_os_error() } else { io::ErrorKind::UnexpectedEof.into() };
        match &self.file {
            Some(file) => file.read_exact_at(&mut bytes, address).map(|()| bytes).map_err(|_| error),
            None => Err(error),
        }
    }
}
