//! Finds a program as execvp(3) does.

use std::env;
use std::ffi::{CString, OsStr};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::exit::{Failure, NOT_EXECUTABLE, NOT_FOUND, reason};
use crate::output;

/// Where glibc's execvp(3) looks if PATH is not set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What is said when a part of a path is a file and not a directory (ENOTDIR).
const NOT_A_DIRECTORY: &str = "a part of its path is not a directory";

/// The file that a program's name stands for.
///
/// # Errors
/// When there is none, or it can't be executed.
pub fn find(program: &OsStr) -> Result<PathBuf, Failure> {
    let fail = |(code, problem): (u8, String)| Failure::new(code, format!("{}: {problem}", output::name(program)));
    if program.as_bytes().contains(&b'/') {
        let file = PathBuf::from(program);
        return check(&file).map(|()| file).map_err(fail);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let mut obstacle = None;
    for directory in env::split_paths(&path).filter(|_| !program.is_empty()) {
        // An empty entry is the current directory.
        let file = directory.join(program);
        match check(&file) {
            Ok(()) => return Ok(file),
            Err((NOT_FOUND, _)) => {}
            // An entry of PATH that is a file and not a directory is passed over by execvp, too.
            Err((_, problem)) if problem == NOT_A_DIRECTORY => {}
            // execvp goes on searching, and fails with the first such error if it finds nothing.
            Err((code, problem)) => {
                obstacle.get_or_insert_with(|| Failure::new(code, format!("{}: {problem}", output::path(&file))));
            }
        }
    }
    if program.is_empty() {
        return Err(Failure::new(NOT_FOUND, "the program's name is empty"));
    }
    Err(obstacle.unwrap_or_else(|| fail((NOT_FOUND, "not found in PATH".into()))))
}

/// Whether the kernel would execute this file, as far as its name and mode tell; else the exit code and what is wrong.
fn check(file: &Path) -> Result<(), (u8, String)> {
    let metadata = fs::metadata(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => (NOT_FOUND, "not found".to_owned()),
        // As env(1): only a missing file is NOT_FOUND.
        std::io::ErrorKind::NotADirectory => (NOT_EXECUTABLE, NOT_A_DIRECTORY.to_owned()),
        _ => (NOT_EXECUTABLE, reason(&error)),
    })?;
    if metadata.is_dir() {
        return Err((NOT_EXECUTABLE, "it is a directory".into()));
    }
    let Ok(name) = CString::new(file.as_os_str().as_bytes()) else { return Err((NOT_FOUND, "not found".into())) };
    // SAFETY: the name is a string that ends with a zero byte and lives until the call returns.
    if unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::X_OK, libc::AT_EACCESS) } != 0 {
        return Err((NOT_EXECUTABLE, "it is not executable".into()));
    }
    Ok(())
}

/// The same for what a #! line names.
pub fn check_interpreter(file: &Path) -> Result<(), (u8, String)> {
    check(file)
}
