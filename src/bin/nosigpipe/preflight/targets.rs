//! Checks before the start whether reports can be written to the targets that the settings name, while somebody can
//! still change it. The library checks the directory itself, when the program starts.

use std::env;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use settings::options::{Options, SETTINGS, Setting, TO_JOURNAL, TO_SYSLOG};

use crate::exit::reason;
use crate::output;

/// A line for each target that can't be written at present. `given` has the settings that were given as flags; the
/// others come from the environment.
pub fn remarks(given: &[(&'static Setting, OsString)]) -> Vec<String> {
    let mut options = Options::DEFAULT;
    for setting in &SETTINGS {
        let flag = given.iter().find(|(other, _)| other.flag == setting.flag).map(|(_, value)| value.clone());
        if let Some(value) = flag.or_else(|| env::var_os(setting.variable)) {
            // A value that is not allowed is ignored here, since the library reports it.
            let _ = options.set(setting, value.into_vec().leak());
        }
    }
    let mut remarks = Vec::new();
    for (name, bit, socket) in
        [("syslog", TO_SYSLOG, "/dev/log"), ("journal", TO_JOURNAL, "/run/systemd/journal/socket")]
    {
        if options.targets & bit != 0
            && let Some(problem) = log_problem(socket)
        {
            remarks.push(format!("no reports can be written to {name}, {socket}: {problem}"));
        }
    }
    if let Some(path) = options.termination_log.map(|path| Path::new(std::ffi::OsStr::from_bytes(path)))
        && let Some(problem) = file_problem(path)
    {
        remarks.push(format!("nothing can be written to {}: {problem}", output::path(path)));
    }
    remarks
}

/// Why nothing can be sent to the socket of a system log; `None` if it can. syslog daemons have datagram or stream
/// sockets.
fn log_problem(path: &str) -> Option<String> {
    if cfg!(target_os = "macos") {
        return Some("not on macOS".into());
    }
    let datagram = UnixDatagram::unbound().and_then(|socket| socket.connect(path));
    match datagram {
        Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => UnixStream::connect(path).err(),
        result => result.err(),
    }
    .map(|error| reason(&error))
}

/// Why a file can't be written; `None` if it can. It is not opened: that could create it, or block.
fn file_problem(path: &Path) -> Option<String> {
    let file = match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Some("it is not a regular file".into()),
        Ok(_) => path,
        // The library will create it, for which the directory has to be writable.
        Err(_) => path.parent()?,
    };
    let name = CString::new(file.as_os_str().as_bytes()).ok()?;
    // SAFETY: the name is a string that ends with a zero byte and lives until the call returns.
    let is_allowed = unsafe { libc::access(name.as_ptr(), libc::W_OK) } == 0;
    (!is_allowed).then(|| reason(&std::io::Error::last_os_error()))
}
