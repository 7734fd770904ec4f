//! Files, and what the process was started as.

use alloc::borrow::ToOwned;
use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::mem::MaybeUninit;

use libc::{c_char, c_int, pid_t};

use crate::platform::{self, PAGE, errno, own_call};
use crate::process::{map_and_close, write_all};

/// A whole file, mapped for reading for the rest of the process's life. `path` ends in a zero byte.
pub fn map_file(path: &[u8]) -> Option<&'static [u8]> {
    let path = CStr::from_bytes_with_nul(path).ok()?;
    let (fd, _) = open_regular(path)?;
    // SAFETY: the descriptor is ours, and used nowhere else.
    unsafe { map_and_close(fd, libc::lseek64(fd, 0, libc::SEEK_END)) }
}

/// Opens a file for reading if it is a regular one: anything else may keep whoever opens it waiting, or do something when it is
/// opened.
pub fn open_regular(path: &CStr) -> Option<(c_int, libc::stat64)> {
    let is_regular = |stat: &libc::stat64| stat.st_mode & libc::S_IFMT == libc::S_IFREG;
    // SAFETY: the path ends in a zero byte. Zeros are valid for a structure of numbers. The descriptor is ours until it is returned.
    unsafe {
        let mut stat = MaybeUninit::<libc::stat64>::zeroed().assume_init();
        if libc::stat64(path.as_ptr(), &raw mut stat) != 0 || !is_regular(&stat) {
            return None;
        }
        let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        let fd = libc::open64(path.as_ptr(), flags);
        if fd < 0 {
            return None;
        }
        if libc::fstat64(fd, &raw mut stat) != 0 || !is_regular(&stat) {
            libc::close(fd);
            return None;
        }
        Some((fd, stat))
    }
}

/// The number of a file on its device.
pub fn inode(path: &CStr) -> Option<u64> {
    // SAFETY: the path ends in a zero byte. Zeros are valid for a structure of numbers.
    unsafe {
        let mut stat = MaybeUninit::<libc::stat64>::zeroed().assume_init();
        (libc::stat64(path.as_ptr(), &raw mut stat) == 0).then_some(stat.st_ino)
    }
}

/// The content of a file, those of /proc included, up to a limit in bytes; `None` if it can't be opened. `path` ends in a zero byte.
pub fn read_file(path: &[u8], limit: usize) -> Option<Vec<u8>> {
    let path = CStr::from_bytes_with_nul(path).ok()?;
    // SAFETY: the path is a string.
    let fd = unsafe { libc::open64(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK) };
    if fd < 0 {
        return None;
    }
    let mut content = Vec::new();
    let mut chunk = [0; PAGE];
    while content.len() < limit {
        // SAFETY: writes into `chunk` only.
        let length = unsafe { libc::read(fd, chunk.as_mut_ptr().cast(), chunk.len()) };
        match usize::try_from(length).ok().and_then(|length| chunk.get(..length)) {
            None | Some([]) => break,
            Some(part) => content.extend_from_slice(part),
        }
    }
    // SAFETY: opened above.
    unsafe { libc::close(fd) };
    Some(content)
}

/// Address and number of the main program's program headers (getauxval(3)).
pub fn program_headers() -> (u64, u64) {
    // getauxval(3) reads the process's first stack, which a copy may not have.
    let vector = read_file(b"/proc/self/auxv\0", PAGE);
    let entry = |wanted: u64| match &vector {
        Some(vector) => vector.chunks_exact(16).find_map(|entry| {
            let word = |at: usize| entry.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
            word(8).filter(|_| word(0) == Some(wanted))
        }),
        // SAFETY: getauxval has no preconditions.
        None => Some(unsafe { libc::getauxval(wanted) }),
    };
    (entry(libc::AT_PHDR).unwrap_or(0), entry(libc::AT_PHNUM).unwrap_or(0))
}

/// The target of a symbolic link; empty if it can't be read. `path` ends in a zero byte.
pub fn link(path: &str) -> String {
    let mut buffer = [0u8; 4096];
    // SAFETY: the path ends in a zero byte; readlink writes at most the given number of bytes into the buffer.
    let length = unsafe { libc::readlink(path.as_ptr().cast(), buffer.as_mut_ptr().cast(), buffer.len()) };
    let target = usize::try_from(length).ok().and_then(|length| buffer.get(..length)).unwrap_or_default();
    String::from_utf8_lossy(target).into_owned()
}

/// The executable file's path as /proc has it, or, without /proc, as it was given to execve(2) (AT_EXECFN).
pub fn executable_path() -> String {
    let path = link("/proc/self/exe\0");
    if !path.is_empty() {
        return path;
    }
    // SAFETY: getauxval has no preconditions. It returns the address of a string on the process's first stack, or null. Should the
    // program have overwritten that, reading it is a crash of the copy, and the process writes a report with addresses only.
    unsafe {
        let path = libc::getauxval(libc::AT_EXECFN) as *const c_char;
        if path.is_null() { String::new() } else { CStr::from_ptr(path).to_string_lossy().into_owned() }
    }
}

/// The arguments of a thread's process, with a space between them.
pub fn command_line(tid: pid_t) -> String {
    let command = read_file(format!("/proc/{tid}/cmdline\0").as_bytes(), 4096).unwrap_or_default();
    String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ")
}

/// Writes a new file into a directory, under a temporary name, and renames it when it is complete; the errno of what failed.
pub fn write_file(directory: &str, name: &str, content: &[u8]) -> Result<(), c_int> {
    let temporary = CString::new(format!(".{name}.tmp")).map_err(|_| libc::EINVAL)?;
    let name = CString::new(name).map_err(|_| libc::EINVAL)?;
    super::targets::in_directory(directory, |directory| {
        // SAFETY: the names end in a zero byte.
        unsafe {
            // A first attempt at this report may have left one.
            own_call(libc::SYS_unlinkat, directory, temporary.as_ptr(), 0);
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
            let fd = own_call(libc::SYS_openat, directory, temporary.as_ptr(), flags, 0o600) as c_int;
            if fd < 0 {
                return Err(errno());
            }
            let result = write_all(fd, content).and_then(|()| {
                let renamed = own_call(libc::SYS_renameat, directory, temporary.as_ptr(), directory, name.as_ptr());
                if renamed == 0 { Ok(()) } else { Err(errno()) }
            });
            if result.is_err() {
                own_call(libc::SYS_unlinkat, directory, temporary.as_ptr(), 0);
            }
            result
        }
    })
}

/// Whether /proc is mounted, and for the PID namespace that we are in: for another one, our pids mean other processes.
pub fn is_proc_ours() -> bool {
    link("/proc/self\0").parse() == Ok(platform::pid())
}

/// The threads of a process, by /proc; empty without it.
pub fn thread_ids(pid: pid_t) -> Vec<pid_t> {
    names_below(&format!("/proc/{pid}/task\0")).iter().filter_map(|name| name.parse().ok()).collect()
}

/// The names in a directory, but for `.` and `..`; none if it can't be read. `path` ends in a zero byte.
pub fn names_below(path: &str) -> Vec<String> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path ends in a zero byte.
    let fd = unsafe { libc::open64(path.as_ptr().cast(), flags) };
    if fd < 0 { Vec::new() } else { names_in(fd) }
}

/// The same of an open directory, whose descriptor is handed over and closed.
pub fn names_in(fd: c_int) -> Vec<String> {
    /// Names that are read, at most.
    const MOST: usize = 1 << 16;
    let mut names = Vec::new();
    // SAFETY: getdents64 writes into the buffer only.
    unsafe {
        let mut buffer = vec![0u8; 32768];
        while names.len() < MOST {
            let length = own_call(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), buffer.len());
            let Some(mut rest) = usize::try_from(length).ok().and_then(|length| buffer.get(..length)) else { break };
            if rest.is_empty() {
                break;
            }
            // struct linux_dirent64: inode, offset, length of the entry, type, name.
            while let (Some(&[low, high]), Some(name)) = (rest.get(16..18), rest.get(19..)) {
                let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
                names.extend(
                    core::str::from_utf8(name).ok().filter(|name| !matches!(*name, "." | "..")).map(str::to_owned),
                );
                rest = rest.get(usize::from(u16::from_le_bytes([low, high]))..).unwrap_or_default();
            }
        }
        libc::close(fd);
    }
    names
}
