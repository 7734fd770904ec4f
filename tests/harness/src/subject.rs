//! A program that is about to be run.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Outcome, Running, launcher, library};

/// A program, without the library.
pub fn bare(program: impl AsRef<OsStr>) -> Subject {
    Subject::new(program.as_ref())
}

/// The environment variable that has the loader preload a library.
const PRELOAD: &str = if cfg!(target_os = "macos") { "DYLD_INSERT_LIBRARIES" } else { "LD_PRELOAD" };

/// A program with the library preloaded, by its absolute path, as users do.
pub fn preloaded(program: impl AsRef<OsStr>) -> Subject {
    bare(program).env(PRELOAD, library())
}

/// A program that is started by `nosigpipe run FLAGS --`.
pub fn launched(flags: &[&str], program: impl AsRef<OsStr>) -> Subject {
    bare(launcher()).arg("run").args(flags).arg("--").arg(program)
}

/// A [`Command`] with what the tests need to set. The program starts with SIGPIPE at SIG_DFL and no signal blocked,
/// whatever the test process has: std sees to that.
pub struct Subject {
    pub(crate) command: Command,
    pub(crate) limit: Duration,
    pub(crate) stdin: Vec<u8>,
}

impl Subject {
    fn new(program: &OsStr) -> Self {
        let mut command = Command::new(program);
        // Neither the surrounding's settings nor cargo's library path; nor cargo's other variables, by which the
        // launcher would know that it is run by cargo, and have the library built.
        for (name, _) in env::vars_os() {
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(b"NOSIGPIPE_")
                || bytes.starts_with(b"CARGO_")
                || name == PRELOAD
                || name == "LD_LIBRARY_PATH"
            {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Self { command, limit: Duration::from_secs(100), stdin: Vec::new() }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// NOSIGPIPE_SCOPE
    pub fn scope(self, scope: &str) -> Self {
        self.env("NOSIGPIPE_SCOPE", scope)
    }

    /// NOSIGPIPE_LOG
    pub fn log(self, log: &str) -> Self {
        self.env("NOSIGPIPE_LOG", log)
    }

    /// What the program is to read; without this it's /dev/null.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self.command.stdin(Stdio::piped());
        self
    }

    /// Another time limit than 100 seconds.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Changes the command itself, for what this builder has no method for.
    pub fn command(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.command);
        self
    }

    /// Runs it to its end. Past the limit its whole process group is killed and the test fails.
    pub fn run(self) -> Outcome {
        let limit = self.limit;
        self.start().wait(limit)
    }

    /// Starts it and leaves it running.
    pub fn start(self) -> Running {
        Running::start(self)
    }
}
