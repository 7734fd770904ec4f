//! Nothing that the launcher starts outlives it, however it ends in the middle of its work.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use harness::{launcher, library};

use crate::scratch::Scratch;

/// A server is given five seconds to end, and then killed.
const PATIENCE: Duration = Duration::from_secs(40);

/// How the launcher comes to its end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// A signal to it alone.
    Signal(libc::c_int),
    /// SIGKILL for its process group, as timeout(1) and CI's runners do.
    Group,
    /// Nobody reads its output any more, as behind `| head`.
    Unread,
}

const ENDS: [End; 5] =
    [End::Signal(libc::SIGINT), End::Signal(libc::SIGTERM), End::Signal(libc::SIGKILL), End::Group, End::Unread];

/// The launcher in mid-run; its output is read as far as the test wants it.
struct Launcher {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Launcher {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(launcher());
        command.args(arguments).env("NOSIGPIPE_LIBRARY", library()).process_group(0);
        // A shell starts what it runs in the background with SIGINT ignored, and so may whoever runs the tests.
        // SAFETY: signal(2) is async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                Ok(())
            })
        };
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    /// Reads lines up to one that has this text in it.
    fn line(&mut self, text: &str) -> String {
        let lines = self.output.as_mut().unwrap().lines().map(Result::unwrap);
        lines.into_iter().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text:?}"))
    }

    fn end(mut self, end: End) -> ExitStatus {
        let pid = self.child.id() as i32;
        let (who, signal) = match end {
            End::Signal(signal) => (pid, signal),
            End::Group => (-pid, libc::SIGKILL),
            End::Unread => {
                self.output = None;
                (pid, 0)
            }
        };
        // SAFETY: it takes numbers only; the child is not waited for yet.
        assert_eq!(unsafe { libc::kill(who, signal) }, 0);
        self.child.wait().unwrap()
    }
}

/// Waits until there is no such process, or only what nobody has waited for.
fn assert_goes(pid: &str, how: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        match stat.rsplit_once(") ") {
            Some((_, state)) if !state.starts_with(['Z', 'X']) => {}
            _ => return,
        }
        assert!(Instant::now() < deadline, "{how}: {pid} is still there: {stat}");
        sleep(Duration::from_millis(10));
    }
}

fn children(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_demos_servers_end_with_it() {
    for end in ENDS {
        // So many that the server with the library is there as long as it takes.
        let clients = if matches!(end, End::Unread) { "20" } else { "1000000" };
        let mut demo = Launcher::start(&["demo", "--clients", clients]);
        demo.line("The same server under nosigpipe run");
        let server = demo.line(" answers on port ");
        let pid = server.split_whitespace().nth(1).unwrap().to_owned();
        demo.end(end);
        assert_goes(&pid, &format!("{end:?}"));
    }
}

/// A server that becomes a daemon and is slow to end: its session is another one, SIGTERM is ignored, and where it is told the pid of
/// its worker it has one, too.
const DAEMON: &str = "import http.server, os, signal, sys
server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
if os.fork(): sys.exit(0)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
open(sys.argv[1], 'a').write('%d\\n' % os.getpid())
server.serve_forever()
";

#[test]
fn a_server_under_trial_ends_with_the_trial() {
    let scratch = Scratch::new();
    let daemon = scratch.file("daemon.py", DAEMON, 0o644).display().to_string();
    // Each takes the five seconds that a server has.
    thread::scope(|scope| {
        for end in ENDS {
            let (daemon, pids) = (&daemon, scratch.path(&format!("{end:?}")));
            scope.spawn(move || one_server_under_trial(end, daemon, &pids));
        }
    });
}

fn one_server_under_trial(end: End, daemon: &str, pids: &Path) {
    // That nobody reads is noticed when the next line is written.
    let clients = if matches!(end, End::Unread) { "4" } else { "100000" };
    let words = ["try", "--clients", clients, "--", "/usr/bin/python3", daemon, pids.to_str().unwrap()];
    let mut trial = Launcher::start(&words);
    trial.line("The server as it is:");
    let pids = fs::read_to_string(pids).unwrap();
    assert_eq!(pids.lines().count(), 2, "{end:?}");
    let status = trial.end(end);
    for pid in pids.lines() {
        assert_goes(pid, &format!("{end:?}"));
    }
    let is_right = match end {
        End::Signal(libc::SIGKILL) | End::Group => status.signal() == Some(libc::SIGKILL),
        End::Unread => status.signal() == Some(libc::SIGPIPE),
        End::Signal(_) => status.code() == Some(125),
    };
    assert!(is_right, "{end:?}: {status}");
}

#[test]
fn a_trial_that_is_killed_leaves_no_server() {
    let scratch = Scratch::new();
    let daemon = scratch.file("daemon.py", DAEMON, 0o644).display().to_string();
    let pids = scratch.path("pids");
    let words = ["try", "--clients", "100000", "--", "/usr/bin/python3", &daemon, &pids.display().to_string()];
    let mut command = Launcher::start(&words);
    command.line("The server as it is:");
    let trial: i32 = children(command.child.id()).first().unwrap().parse().unwrap();
    // SAFETY: it takes numbers only; the launcher waits for this child of it.
    assert_eq!(unsafe { libc::kill(trial, libc::SIGKILL) }, 0);
    assert_eq!(command.child.wait().unwrap().code(), Some(125));
    for pid in fs::read_to_string(pids).unwrap().lines() {
        assert_goes(pid, "the trial killed");
    }
}

#[test]
fn what_doctor_tries_ends_with_it() {
    for _ in 0..5 {
        let mut doctor = Launcher::start(&["doctor"]);
        let pid = doctor.child.id();
        let started = loop {
            let started = children(pid);
            if !started.is_empty() || doctor.child.try_wait().unwrap().is_some() {
                break started;
            }
        };
        doctor.end(End::Signal(libc::SIGKILL));
        for pid in started {
            assert_goes(&pid, "doctor");
        }
    }
}
