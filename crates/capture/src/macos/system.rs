//! Files, and what the process was started as.

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::ffi::CStr;

use libc::{c_char, c_int, pid_t};

use crate::platform::errno;
use crate::process::{map_and_close, write_all};

unsafe extern "C" {
    /// mach-o/dyld.h
    fn _NSGetExecutablePath(buffer: *mut c_char, length: *mut u32) -> c_int;
    /// crt_externs.h
    fn _NSGetArgv() -> *mut *mut *mut c_char;
}

/// A whole file, mapped for reading for the rest of the process's life. `path` ends in a zero byte.
pub fn map_file(path: &[u8]) -> Option<&'static [u8]> {
    let path = CStr::from_bytes_with_nul(path).ok()?;
    // SAFETY: the path is a string; the descriptor is ours, and used nowhere else.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 { None } else { map_and_close(fd, libc::lseek(fd, 0, libc::SEEK_END)) }
    }
}

/// The executable file's path, as it was started.
pub fn executable_path() -> String {
    let mut path = vec![0u8; libc::PATH_MAX as usize];
    let mut length = libc::PATH_MAX as u32;
    // SAFETY: writes a string of at most `length` bytes, or nothing and an error.
    if unsafe { _NSGetExecutablePath(path.as_mut_ptr().cast(), &raw mut length) } != 0 {
        return String::new();
    }
    let path = path.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(path).into_owned()
}

/// The process's arguments, with a space between them.
pub fn command_line(_pid: pid_t) -> String {
    const MOST: usize = 4096;
    let mut line = String::new();
    // SAFETY: dyld's array of strings, with a null pointer at its end. Should the program have overwritten it, reading it is a crash in
    // the report, which a report with addresses only follows.
    unsafe {
        let mut next = *_NSGetArgv();
        while !next.is_null() && !(*next).is_null() && line.len() < MOST {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&CStr::from_ptr(*next).to_string_lossy());
            next = next.add(1);
        }
    }
    line
}

/// Writes a new file into a directory, under a temporary name, and renames it when it is complete; the errno of what failed.
pub fn write_file(directory: &str, name: &str, content: &[u8]) -> Result<(), c_int> {
    let path = |name: &str| CString::new(format!("{directory}/{name}")).map_err(|_| libc::EINVAL);
    let (temporary, path) = (path(&format!(".{name}.tmp"))?, path(name)?);
    // SAFETY: the paths end in a zero byte.
    unsafe {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        let fd = libc::open(temporary.as_ptr(), flags, 0o600);
        if fd < 0 {
            return Err(errno());
        }
        let result = write_all(fd, content)
            .and_then(|()| if libc::rename(temporary.as_ptr(), path.as_ptr()) == 0 { Ok(()) } else { Err(errno()) });
        if result.is_err() {
            libc::unlink(temporary.as_ptr());
        }
        result
    }
}

/// The state of the process and of the system: not read here.
pub fn context(_pid: pid_t, _map: &crate::process::Map) -> report::Context {
    report::Context::default()
}
