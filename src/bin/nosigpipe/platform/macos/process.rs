//! Looks into a running process. The kernel tells everybody what it does with the process's signals, and the process's
//! user which files are mapped. Its memory only root may read, and not even root that of a program that is hardened or
//! guarded by System Integrity Protection.

use std::ffi::{CStr, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::loaded::{self, Loaded};
use super::{Image, LIBRARY};
use crate::exit::{Failure, NO_PERMISSION, NO_PROCESS};
use crate::output;
use crate::snapshot::{Library, Signals, Snapshot};
use settings::layout;

unsafe extern "C" {
    /// mach/mach_init.h: our own task.
    static mach_task_self_: u32;
    /// mach/mach_traps.h
    fn task_for_pid(own: u32, pid: i32, task: *mut u32) -> i32;
    /// mach/task.h
    fn task_info(task: u32, flavor: u32, info: *mut u32, count: *mut u32) -> i32;
    /// mach/mach_vm.h
    fn mach_vm_read_overwrite(task: u32, address: u64, size: u64, data: u64, done: *mut u64) -> i32;
    /// mach/mach_port.h
    fn mach_port_deallocate(own: u32, port: u32) -> i32;
}

/// What can be seen of a process.
pub struct Process {
    /// Its short name, of 16 bytes at most.
    pub name: String,
    /// Its pid; macOS has no namespaces of pids.
    pub inner_pid: u32,
    /// What the kernel does with its signals; which are blocked it does not tell.
    pub signals: Signals,
    /// The library, if it is there.
    pub library: Option<Library>,
    /// Everything that it has loaded; empty without `task`.
    images: Vec<Loaded>,
    /// The right to its task, by which its memory is read; `None` if we don't get it.
    task: Option<Task>,
}

/// Every process that can be seen.
pub fn all() -> Vec<u32> {
    // Room for more processes than a Mac runs; what does not fit is left out.
    let mut pids: Vec<libc::pid_t> = vec![0; 1 << 14];
    // SAFETY: the call writes at most the given number of bytes, which is the size of `pids`.
    let count = unsafe {
        libc::proc_listallpids(pids.as_mut_ptr().cast(), (pids.len() * size_of::<libc::pid_t>()) as libc::c_int)
    };
    pids.truncate(usize::try_from(count).unwrap_or(0));
    pids.sort_unstable();
    pids.into_iter().filter(|pid| *pid > 0).map(libc::pid_t::cast_unsigned).collect()
}

/// The parent process. After a parent's end, that is launchd.
pub fn parent_of(pid: u32) -> Option<u32> {
    let known = Known::of(i32::try_from(pid).ok()?).ok()??;
    u32::try_from(known.parent).ok()
}

/// Its short name, which anybody may know.
pub fn name_of(pid: u32) -> Option<String> {
    Some(Known::of(i32::try_from(pid).ok()?).ok()??.name)
}

/// Looks into a process.
///
/// # Errors
/// When there is none, or it may not be looked into though it may have the library.
pub fn inspect(pid: u32) -> Result<Process, Failure> {
    let none = || Failure::new(NO_PROCESS, format!("no process {pid}"));
    let id = i32::try_from(pid).map_err(|_| none())?;
    let known = Known::of(id).map_err(|error| Failure::about(format_args!("process {pid}"), &error))?;
    let known = known.ok_or_else(none)?;
    if known.has_ended {
        return Err(Failure::new(NO_PROCESS, format!("process {pid} has ended, and its parent has not asked how")));
    }
    let mut process = Process {
        name: known.name,
        inner_pid: pid,
        signals: known.signals,
        library: None,
        images: Vec::new(),
        task: Task::of(id),
    };
    match &process.task {
        Some(task) => {
            process.images = task.images().ok_or_else(|| {
                Failure::refused(format!("process {pid}: the list of what it has loaded can't be read just now"))
            })?;
            process.library = find_library(task, &process.images);
            Ok(process)
        }
        None => match mapped_library(id) {
            Mapped::No => Ok(process),
            Mapped::Yes(path) => Err(refused(pid, &process, Some(&path))),
            Mapped::Unknown => Err(refused(pid, &process, None)),
        },
    }
}

/// The failure for a process whose memory we may not read: it tells what is known all the same, and what the user can
/// do.
fn refused(pid: u32, process: &Process, library: Option<&Path>) -> Failure {
    let name = output::name(&process.name);
    let mut text = match library {
        Some(library) => {
            let sigpipe = match (process.signals.ignores(libc::SIGPIPE), process.signals.catches(libc::SIGPIPE)) {
                (true, _) => "ignores SIGPIPE",
                (_, true) => "has a handler for SIGPIPE",
                _ => "has the default action for SIGPIPE",
            };
            format!("process {pid} ({name}) has {} mapped and {sigpipe}, but ", output::path(library))
        }
        None => format!("process {pid} ({name}): "),
    };
    // SAFETY: the call takes nothing and touches no memory.
    let is_root = unsafe { libc::geteuid() } == 0;
    text += if is_root {
        "macOS lets not even root look into it, as into all programs that are hardened or guarded by System Integrity \
         Protection: "
    } else {
        "only root may look into it: use sudo; or "
    };
    text += "start it with --log summary, and the library in it tells at its end what it did, and at once if the system \
             keeps it from acting";
    Failure::new(NO_PERMISSION, text)
}

impl Process {
    /// The image that an address is in, and the offset from its start: `FILE+0xOFFSET`.
    pub fn module_offset(&self, address: u64) -> Option<String> {
        let task = self.task.as_ref()?;
        let image = self.images.iter().filter(|image| image.start <= address).max_by_key(|image| image.start)?;
        let offset = address - image.start;
        (offset < loaded::text_size(&|at, size| task.read(at, size), image.start)?).then_some(())?;
        Some(format!("{}+{offset:#x}", image.path))
    }
}

/// Finds the library by the symbol that it exports; images with its file's name are looked at first. Of several copies,
/// the one whose state all of them use is taken.
fn find_library(task: &Task, images: &[Loaded]) -> Option<Library> {
    let read = |address: u64, size: usize| task.read(address, size);
    let is_named = |image: &&Loaded| image.path.rsplit('/').next() == Some(LIBRARY);
    let (named, others): (Vec<_>, Vec<_>) = images.iter().partition(is_named);
    let mut unused = None;
    for image in named.into_iter().chain(others) {
        let Some(address) = loaded::exported(&read, image.start, layout::SYMBOL) else { continue };
        let Some(state) = task.read(address, Snapshot::SIZE) else { continue };
        let library = Library::new(image.path.clone(), &state, |address, size| task.read(address, size));
        if library.is_used() {
            return Some(library);
        }
        unused = unused.or(Some(library));
    }
    unused
}

/// What the kernel tells everybody about a process.
struct Known {
    name: String,
    has_ended: bool,
    parent: i32,
    signals: Signals,
}

impl Known {
    /// Asks the kernel; `None` when there is no such process.
    fn of(pid: i32) -> io::Result<Option<Self>> {
        /// Size in bytes of struct kinfo_proc (sys/sysctl.h), which starts with struct extern_proc (sys/proc.h), and
        /// offsets of fields in it. The kernel fills in these, and leaves p_sigmask at zero (fill_user64_externproc in
        /// xnu's bsd/kern/kern_sysctl.c).
        const SIZE: usize = 648;
        const STAT: usize = 36;
        const SIGIGNORE: usize = 232;
        const SIGCATCH: usize = 236;
        const COMM: usize = 243;
        /// The offset of e_ppid, a field of struct eproc, which follows struct extern_proc.
        const PARENT: usize = 560;
        /// MAXCOMLEN + 1 (sys/param.h).
        const COMM_SIZE: usize = 17;
        /// p_stat of a process that has ended (sys/proc.h).
        const SZOMB: u8 = 5;
        let mut bytes = [0u8; SIZE];
        let mut size = SIZE;
        let mut question = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, pid];
        // SAFETY: the call gets a name of as many numbers as it is told, and writes at most `size` bytes into `bytes`.
        let result = unsafe {
            libc::sysctl(
                question.as_mut_ptr(),
                question.len() as libc::c_uint,
                bytes.as_mut_ptr().cast(),
                &raw mut size,
                std::ptr::null_mut(),
                0,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        if size == 0 {
            return Ok(None);
        }
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        let name = bytes.get(COMM..COMM + COMM_SIZE).and_then(|bytes| bytes.split(|&byte| byte == 0).next());
        Ok(Some(Self {
            name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
            has_ended: bytes.get(STAT) == Some(&SZOMB),
            parent: word(PARENT).cast_signed(),
            signals: Signals { ignored: u64::from(word(SIGIGNORE)), caught: u64::from(word(SIGCATCH)), blocked: None },
        }))
    }
}

/// The right to a process's task, by which the process's memory is read.
struct Task(u32);

impl Task {
    /// Asks for it; `None` when that is refused.
    fn of(pid: i32) -> Option<Self> {
        let mut task = 0;
        // SAFETY: the call writes one number, into `task`.
        let result = unsafe { task_for_pid(mach_task_self_, pid, &raw mut task) };
        (result == 0 && task != 0).then_some(Self(task))
    }

    /// Copies bytes out of its memory: all of them, or `None`.
    fn read(&self, address: u64, size: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0u8; size];
        let mut done = 0;
        let buffer = bytes.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: the call writes at most `size` bytes into `bytes`, which has as many; addresses that do not exist in
        // the other process are errors.
        let result = unsafe { mach_vm_read_overwrite(self.0, address, size as u64, buffer, &raw mut done) };
        (result == 0 && done == size as u64).then_some(bytes)
    }

    /// Everything that it has loaded; `None` if that can't be read, or dyld keeps changing the list.
    fn images(&self) -> Option<Vec<Loaded>> {
        /// mach/task_info.h
        const TASK_DYLD_INFO: u32 = 17;
        /// How often the list is read, at most, while dyld is changing it.
        const TRIES: u32 = 50;
        for _ in 0..TRIES {
            // struct task_dyld_info (mach/task_info.h), in words of 4 bytes: address (2), size (2), format (1).
            let mut info = [0u32; 5];
            let mut count = info.len() as u32;
            // SAFETY: the call writes at most `count` words into `info`, which has as many.
            if unsafe { task_info(self.0, TASK_DYLD_INFO, info.as_mut_ptr(), &raw mut count) } != 0 {
                return None;
            }
            let [low, high, ..] = info;
            let infos = u64::from(low) | u64::from(high) << 32;
            let images = loaded::images(&|address, size| self.read(address, size), infos);
            if images.is_some() {
                return images;
            }
            sleep(Duration::from_millis(2));
        }
        None
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: the call takes numbers only. The right is ours, and nobody uses it any more.
        unsafe { mach_port_deallocate(mach_task_self_, self.0) };
    }
}

/// Whether the library is among the files that a process has mapped.
enum Mapped {
    Yes(Box<Path>),
    No,
    /// The kernel does not tell, or a file can't be read.
    Unknown,
}

/// Looks for the library in every file that the process has mapped, which the kernel tells its user. They are few,
/// since the system's libraries are in dyld's cache.
fn mapped_library(pid: i32) -> Mapped {
    /// The kernel's sys/proc_info_private.h: like the public PROC_PIDREGIONPATHINFO, but regions without a file are
    /// passed over.
    const PROC_PIDREGIONPATHINFO2: i32 = 22;
    /// Size in bytes of struct proc_regionwithpathinfo (sys/proc_info.h): a region, a vnode's data, and its path. Then
    /// the offsets of pri_address, pri_size and the path in it.
    const SIZE: usize = 96 + 152 + 1024;
    const ADDRESS: usize = 80;
    const LENGTH: usize = 88;
    const PATH: usize = 96 + 152;
    /// How many regions are looked at, at most.
    const MOST: usize = 100_000;
    let mut seen: Vec<Box<Path>> = Vec::new();
    let mut is_certain = true;
    let mut address = 0u64;
    for _ in 0..MOST {
        let mut region = [0u8; SIZE];
        // SAFETY: the call writes at most `SIZE` bytes into `region`, which has as many.
        let length = unsafe {
            libc::proc_pidinfo(pid, PROC_PIDREGIONPATHINFO2, address, region.as_mut_ptr().cast(), SIZE as i32)
        };
        if usize::try_from(length) != Ok(SIZE) {
            break;
        }
        let number =
            |at: usize| region.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let next = number(ADDRESS).saturating_add(number(LENGTH));
        if next <= address {
            return Mapped::Unknown;
        }
        address = next;
        let path = region.get(PATH..).and_then(|bytes| CStr::from_bytes_until_nul(bytes).ok()).unwrap_or_default();
        let path = Path::new(OsStr::from_bytes(path.to_bytes()));
        if seen.iter().any(|known| **known == *path) {
            continue;
        }
        seen.push(path.into());
        match Image::read(path) {
            Ok(Some(image)) if image.exports.iter().any(|name| name == layout::SYMBOL) => {
                return Mapped::Yes(path.into());
            }
            Ok(_) => {}
            Err(_) => is_certain = false,
        }
    }
    if seen.is_empty() || !is_certain { Mapped::Unknown } else { Mapped::No }
}
