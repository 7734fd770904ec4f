//! A program that was started, and what came out of it.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::Subject;

/// A started program. Its output is read all the time, so that it never waits for us.
/// Dropping it kills its process group.
pub struct Running {
    name: String,
    pid: i32,
    news: Arc<News>,
}

/// What the threads that read and wait have found out so far.
#[derive(Default)]
struct News {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    open_streams: usize,
    status: Option<ExitStatus>,
}

impl News {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no reader panics")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `found` finds something, or the limit is over.
    fn wait<T>(&self, limit: Duration, mut found: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(value) = found(&state) {
                return Some(value);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).expect("no reader panics").0;
        }
    }
}

impl Running {
    pub(crate) fn start(mut subject: Subject) -> Self {
        let name = format!("{:?}", subject.command);
        let mut child = subject.command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let pid = i32::try_from(child.id()).expect("a pid is an int");
        let news = Arc::new(News::default());

        if let Some(mut stdin) = child.stdin.take() {
            // The program may end without having read everything: the error of writing to it is then none of the
            // test's.
            thread::spawn(move || stdin.write_all(&subject.stdin));
        }
        if let Some(stream) = child.stdout.take() {
            news.read(stream, |state| &mut state.stdout);
        }
        if let Some(stream) = child.stderr.take() {
            news.read(stream, |state| &mut state.stderr);
        }
        news.wait_for_end(child);
        Self { name, pid, news }
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn is_alive(&self) -> bool {
        self.news.lock().status.is_none()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.news.lock().stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.news.lock().stderr).into_owned()
    }

    /// Waits for a whole line in stdout or stderr with `text` in it, and returns that line.
    pub fn wait_for_line(&self, text: &str, limit: Duration) -> String {
        let line = self.news.wait(limit, |state| {
            let found = [&state.stdout, &state.stderr].into_iter().find_map(|bytes| {
                let all = String::from_utf8_lossy(bytes);
                all.split_inclusive('\n')
                    .find(|line| line.ends_with('\n') && line.contains(text))
                    .map(|line| line.trim_end().to_owned())
            });
            let over = state.status.is_some() && state.open_streams == 0;
            found.map(Some).or(over.then_some(None))
        });
        line.flatten().unwrap_or_else(|| panic!("{}: no line with {text:?} in {limit:?}\n{}", self.name, self.so_far()))
    }

    /// Sends a signal to the program, not to its group.
    pub fn signal(&self, signal: i32) {
        assert!(self.is_alive(), "{} is already gone\n{}", self.name, self.so_far());
        // SAFETY: kill has no memory to get wrong; the pid is our child's and not reused before wait_for_end reaps it,
        // which is_alive has just denied.
        let sent = unsafe { libc::kill(self.pid, signal) };
        assert_eq!(sent, 0, "{}: kill {signal}", self.name);
    }

    /// Waits for the end of the program and of its output; none if that takes longer.
    pub fn ended(&self, limit: Duration) -> Option<Outcome> {
        self.news.wait(limit, |state| {
            let status = state.status.filter(|_| state.open_streams == 0)?;
            Some(Outcome {
                name: self.name.clone(),
                status,
                stdout: state.stdout.clone(),
                stderr: state.stderr.clone(),
            })
        })
    }

    /// Waits for the end of the program and of its output.
    pub fn wait(self, limit: Duration) -> Outcome {
        self.ended(limit).unwrap_or_else(|| panic!("{}: not over after {limit:?}\n{}", self.name, self.so_far()))
    }

    /// Asks it to end by SIGTERM, and waits for that.
    pub fn terminate(self) -> Outcome {
        self.signal(libc::SIGTERM);
        self.wait(Duration::from_secs(100))
    }

    fn so_far(&self) -> String {
        let state = self.news.lock();
        let (stdout, stderr) = (String::from_utf8_lossy(&state.stdout), String::from_utf8_lossy(&state.stderr));
        format!("status: {:?}\nstdout: {stdout}\nstderr: {stderr}", state.status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: kill has no memory to get wrong; the group is the one that start made for this child. If the
        // child is gone and so is all it started, there's no such group: nobody else's process is reached.
        unsafe { libc::kill(-self.pid, libc::SIGKILL) };
    }
}

impl News {
    fn read(self: &Arc<Self>, mut stream: impl Read + Send + 'static, bytes: fn(&mut State) -> &mut Vec<u8>) {
        self.change(|state| state.open_streams += 1);
        let news = Arc::clone(self);
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                news.change(|state| bytes(state).extend_from_slice(&buffer[..length]));
            }
            news.change(|state| state.open_streams -= 1);
        });
    }

    fn wait_for_end(self: &Arc<Self>, mut child: Child) {
        let news = Arc::clone(self);
        thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for");
            news.change(|state| state.status = Some(status));
        });
    }
}

/// How a program ended.
#[derive(Clone)]
pub struct Outcome {
    name: String,
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Outcome {
    /// The exit code, if it exited.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that killed it, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), Some(code), "{self}");
        self
    }

    #[track_caller]
    pub fn assert_killed_by(&self, signal: i32) -> &Self {
        assert_eq!(self.signal(), Some(signal), "{self}");
        self
    }

    #[track_caller]
    pub fn assert_silent(&self) -> &Self {
        assert!(self.stderr.is_empty(), "stderr should be empty\n{self}");
        self
    }

    /// Exit code 0 and an empty stderr.
    #[track_caller]
    pub fn assert_silent_success(&self) -> &Self {
        self.assert_code(0).assert_silent()
    }

    #[track_caller]
    pub fn assert_stdout(&self, stdout: &str) -> &Self {
        assert_eq!(self.stdout(), stdout, "{self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.status)?;
        writeln!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr())
    }
}

/// The processes that a process has started and that are there, by their numbers; none where it is not there any more.
pub fn children(pid: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists: Vec<String> =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok()).collect();
    let mut children: Vec<i32> =
        lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect();
    children.sort_unstable();
    children
}
