//! A server under trial: its start, its processes, and its end.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::watched::{self, stopped};
use crate::exit::Failure;
use crate::output;
use crate::platform::family::{Deaths, Listener, descendants, listeners, listens_on_unix};
use crate::platform::{LIBRARY, PRELOAD, process};

/// Time between two looks at its processes.
const LOOK: Duration = Duration::from_millis(20);
/// For so long a server must have opened no further port before it counts as started: servers open their ports one
/// after the other.
const ALL_PORTS: Duration = Duration::from_millis(700);
/// How long a server may take to end after SIGTERM. Then it gets SIGKILL, and as much time again.
const TO_END: Duration = Duration::from_secs(5);

/// A running server, with all its processes.
pub struct Server {
    /// What it has written to standard output and standard error.
    said: File,
    /// The process that we have started.
    first: u32,
    /// The processes that were our children when they ended, and how they did, in this order.
    ends: Vec<(u32, ExitStatus)>,
    /// Broken pipes that each process had counted when it was last looked at, by call.
    counted: BTreeMap<(u32, &'static str), u64>,
    /// The kernel's news of all its processes' ends; `None` where the kernel does not tell us.
    deaths: Option<Deaths>,
    /// Whether it has been ended: descendants that there are now belong to the next server.
    is_over: bool,
    /// The TCP sockets on which it listens.
    pub listeners: Vec<Listener>,
}

impl Server {
    /// Starts it, with this library or bare, and waits until it listens, as long as `wait` at most.
    ///
    /// # Errors
    /// When it can't be started, ends, or does not listen in time.
    pub fn start(words: &[OsString], library: Option<&Path>, wait: Duration) -> Result<Self, Failure> {
        let program = words.first().ok_or_else(|| Failure::refused("no program given"))?;
        let failed = |error: &io::Error| Failure::about(output::name(program), error);
        let said = scratch_file().map_err(|error| Failure::about("a file for the server's output", &error))?;
        let mut command = match library {
            Some(library) => {
                let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
                let mut command = Command::new(executable);
                // Without --log=summary, SIGPIPE would be ignored, and then nothing counts broken pipes of write(2).
                command.args(["run", "--log", "summary", "--library"]).arg(library).arg("--").args(words);
                command
            }
            None => {
                let mut command = Command::new(program);
                command.args(words.get(1..).unwrap_or_default());
                command
            }
        };
        for (name, _) in env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"NOSIGPIPE_")) {
            command.env_remove(name);
        }
        let others = others_preloads();
        if others.is_empty() {
            command.env_remove(PRELOAD)
        } else {
            command.env(PRELOAD, others)
        };
        let output = |file: &File| file.try_clone().map(Stdio::from).map_err(|error| failed(&error));
        command.stdin(Stdio::null()).stdout(output(&said)?).stderr(output(&said)?);
        // Ctrl-C goes to all processes of the terminal's foreground group. With a group of its own, the server does not
        // get it, and we end the server in order.
        command.process_group(0);
        watched::start_as_ever(&mut command);
        let deaths = Deaths::watch();
        let child = command.spawn().map_err(|error| failed(&error))?;
        let mut server = Self {
            said,
            first: child.id(),
            ends: Vec::new(),
            counted: BTreeMap::new(),
            deaths,
            is_over: false,
            listeners: Vec::new(),
        };
        server.wait_for_ports(wait)?;
        server.count();
        Ok(server)
    }

    /// Waits until it listens and has opened no further port for `ALL_PORTS`.
    fn wait_for_ports(&mut self, wait: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + wait;
        let mut since = Instant::now();
        loop {
            stopped()?;
            self.reap();
            let processes = descendants();
            let found = listeners(&processes);
            if found != self.listeners {
                self.listeners = found;
                since = Instant::now();
            }
            if !self.listeners.is_empty() && since.elapsed() > ALL_PORTS {
                return Ok(());
            }
            if processes.is_empty() {
                let how = self.ends.last().map_or_else(String::new, |(_, status)| format!(", {status}"));
                return Err(Failure::refused(format!("the server ended before it listened{how}{}", self.last_words())));
            }
            if Instant::now() > deadline {
                let seconds = wait.as_secs();
                let elsewhere =
                    if listens_on_unix(&processes) { "only on UNIX sockets, which are not tried" } else { "" };
                let comma = if elsewhere.is_empty() { "" } else { ", " };
                return Err(Failure::refused(format!(
                    "the server does not listen on any TCP port after {seconds} s{comma}{elsewhere} (--wait waits longer){}",
                    self.last_words()
                )));
            }
            sleep(LOOK);
        }
    }

    /// Collects how our children have ended, those that we have adopted included.
    pub fn reap(&mut self) {
        loop {
            let mut status = 0;
            // SAFETY: the call writes one number, into `status`.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
            match u32::try_from(pid) {
                Ok(pid) if pid > 0 => self.ends.push((pid, ExitStatus::from_raw(status))),
                _ => return,
            }
        }
    }

    /// Whether it still listens on all its ports. One that is about to end may do so for another moment.
    pub fn is_there(&mut self) -> bool {
        self.reap();
        let now = listeners(&descendants());
        self.listeners.iter().all(|listener| now.iter().any(|other| other.port == listener.port))
    }

    /// How it has ended, in words: by the first signal that ended one of its processes, else by the last exit code.
    pub fn end_in_words(&self) -> String {
        let by_signal = self.ends.iter().find_map(|(pid, status)| Some((*pid, status.signal()?)));
        match (by_signal, self.ends.last()) {
            (Some((_, libc::SIGPIPE)), _) => "died of SIGPIPE".into(),
            (Some((_, signal)), _) => format!("died of {}", wording::words::signal(signal).0),
            (None, Some((_, status))) => match status.code() {
                // 128 + SIGPIPE: the exit code of a shell, such as a start script's, when the server in it has died of
                // SIGPIPE.
                Some(141) => "ended with exit code 141: SIGPIPE".into(),
                Some(code) => format!("ended with exit code {code}"),
                None => "ended".into(),
            },
            (None, None) => "has stopped listening".into(),
        }
    }

    /// Whether SIGPIPE has ended a process of it that was our child.
    pub fn died_of_sigpipe(&self) -> bool {
        self.ends.iter().any(|(_, status)| status.signal() == Some(libc::SIGPIPE) || status.code() == Some(141))
    }

    /// How many of its processes SIGPIPE has ended since this was asked last, as far as the kernel tells.
    pub fn deaths_of_sigpipe(&mut self) -> usize {
        self.deaths.as_mut().map_or(0, Deaths::of_sigpipe)
    }

    /// Its processes, to see later which have gone.
    pub fn processes(&self) -> Vec<u32> {
        descendants()
    }

    /// Broken pipes that the library has counted in all its processes since the last call of this, by call.
    pub fn count(&mut self) -> BTreeMap<&'static str, u64> {
        let mut new = BTreeMap::new();
        for pid in descendants() {
            let Ok(process) = process::inspect(pid) else { continue };
            let Some(Ok(snapshot)) = process.library.map(|library| library.snapshot) else { continue };
            // A child by vfork uses its parent's memory, and one in which the library has not noticed the fork yet has
            // a copy of it: these numbers are the parent's.
            if snapshot.pid != process.inner_pid {
                continue;
            }
            for (call, count) in snapshot.by_call() {
                let before = self.counted.insert((pid, call), count).unwrap_or(0);
                // A program that it has executed since counts from zero.
                if count > before {
                    *new.entry(call).or_insert(0) += count - before;
                }
            }
        }
        new
    }

    /// Whether the library is loaded in one of its processes.
    pub fn has_library(&self) -> bool {
        descendants().iter().any(|&pid| process::inspect(pid).is_ok_and(|process| process.library.is_some()))
    }

    /// The end of what it has written, to stand at the end of a message.
    fn last_words(&mut self) -> String {
        /// In bytes.
        const SHOWN: u64 = 600;
        let length = self.said.seek(SeekFrom::End(0)).unwrap_or(0);
        let mut text = Vec::new();
        let _ = self.said.seek(SeekFrom::Start(length.saturating_sub(SHOWN)));
        let _ = self.said.by_ref().take(SHOWN).read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        if text.is_empty() { String::new() } else { format!("; it said: {text}") }
    }

    /// Ends all its processes, as far as they can be ended.
    pub fn end(&mut self) {
        let deadline = Instant::now() + TO_END;
        let mut asked = Vec::new();
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        loop {
            self.reap();
            let left = descendants();
            if left.is_empty() {
                return;
            }
            let late = Instant::now() > deadline;
            for &pid in &left {
                let is_first_time = !asked.contains(&pid);
                // Its first process is asked first, since it may end the others in order. Those that are left when it
                // has gone are asked then.
                let is_its_turn = pid == self.first || !left.contains(&self.first);
                if late || (is_first_time && is_its_turn) {
                    let signal = if late { libc::SIGKILL } else { libc::SIGTERM };
                    // SAFETY: the call takes numbers only. The pid was that of a descendant a moment ago.
                    unsafe { libc::kill(pid as libc::pid_t, signal) };
                    asked.push(pid);
                }
            }
            // A process that SIGKILL does not end, since it hangs in the kernel, is left alone.
            if Instant::now() > deadline + TO_END {
                return;
            }
            sleep(LOOK);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The entries of the loader's variable as we have inherited it, without those of the library.
fn others_preloads() -> OsString {
    let list = env::var_os(PRELOAD).unwrap_or_default();
    let is_ours = |entry: &[u8]| entry.ends_with(LIBRARY.as_bytes());
    let entries = list.as_bytes().split(|byte| b": ".contains(byte));
    let others: Vec<&[u8]> = entries.filter(|entry| !entry.is_empty() && !is_ours(entry)).collect();
    OsStr::from_bytes(&others.join(&b':')).to_owned()
}

/// A temporary file whose name is removed at once, so that it is gone when we end, however that is.
fn scratch_file() -> io::Result<File> {
    let path = env::temp_dir()
        .join(format!("nosigpipe-try-{}-{:?}", std::process::id(), Instant::now()).replace(['{', '}', ' ', ':'], "-"));
    let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}
