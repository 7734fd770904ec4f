//! Where reports go besides standard error. There is neither /dev/log nor a journal here, directories are not pruned, and
//! nothing reads a termination log: docs/macos.md says so.

use core::ffi::CStr;

use libc::c_int;

/// The socket that syslog(3) writes to elsewhere.
pub const SYSLOG: &CStr = c"/dev/log";
/// The socket of systemd's journal.
pub const JOURNAL: &CStr = c"/run/systemd/journal/socket";

/// A connection to a log, of which there is none.
pub enum LogSocket {}

impl LogSocket {
    /// Never connects.
    pub fn open(_path: &CStr) -> Result<Self, c_int> {
        Err(libc::ENOENT)
    }

    /// Never called.
    pub fn send(&self, _message: &[u8], _until: u64) -> Result<(), c_int> {
        match *self {}
    }
}

/// Whether a descriptor is known to be one where nobody reads.
pub fn is_null(_fd: c_int) -> bool {
    false
}

/// Nobody has to wait for a turn: crashes are not counted.
pub struct Turn;

/// Refuses.
pub fn take_turn(_directory: &str, _until: u64) -> Option<Turn> {
    None
}

/// The names of all files in the directory for reports, which nobody looks for here.
pub fn report_names(_directory: &str) -> Vec<String> {
    Vec::new()
}

/// The beginning of a file in the directory for reports, likewise.
pub fn read_report(_directory: &str, _name: &str) -> Vec<u8> {
    Vec::new()
}

/// Removes a file from the directory for reports, likewise.
pub fn remove_report(_directory: &str, _name: &str) {}

/// Refuses.
pub fn write_termination_log(_path: &[u8], _content: &[u8]) -> Result<(), c_int> {
    Err(libc::ENOENT)
}
