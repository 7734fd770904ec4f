//! Looking into a running process: macOS lets nobody without an entitlement of Apple's do that.

use crate::exit::{Failure, NO_PERMISSION, NO_PROCESS};

/// What a process has of us, and what the kernel has for it.
pub struct Process {
    /// Its short name.
    pub name: String,
    /// Its pid.
    pub inner_pid: u32,
    /// SIGPIPE is ignored.
    pub ignored: bool,
    /// SIGPIPE has a handler.
    pub caught: bool,
    /// SIGPIPE is blocked in the main thread.
    pub blocked: bool,
    /// The library, if it is there.
    pub library: Option<Library>,
}

/// The library in a process.
pub struct Library {
    /// The file that it was loaded from.
    pub path: String,
    /// The bytes of its state.
    pub state: Vec<u8>,
}

/// Says that it can't be done, and what can.
pub fn inspect(pid: u32) -> Result<Process, Failure> {
    let exists = i32::try_from(pid).is_ok_and(|pid| {
        // SAFETY: signal 0 is only asked about.
        let answer = unsafe { libc::kill(pid, 0) };
        answer == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
    });
    if !exists {
        return Err(Failure::new(NO_PROCESS, format!("no process {pid}")));
    }
    Err(Failure::new(
        NO_PERMISSION,
        "macOS lets no program without Apple's entitlement look into another: start the process with --log summary, \
         and the library in it tells at its end what it did, and at once if the system keeps it from acting",
    ))
}

impl Process {
    /// The file that an address is in.
    pub fn place(&self, _address: u64) -> Option<String> {
        None
    }
}
