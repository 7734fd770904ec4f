//! Nothing that the launcher starts outlives it, however it ends in the middle of its work.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
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
        Self::start_with(arguments, |_| ())
    }

    fn start_with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(launcher());
        change(&mut command);
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

/// A server that becomes a daemon with a worker and is slow to end: its session is another one, and SIGTERM is ignored. It listens when
/// both have said their pids, since the trial begins then.
const DAEMON: &str = "import http.server, os, signal, sys
server = http.server.HTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler, bind_and_activate=False)
server.server_bind()
if os.fork(): sys.exit(0)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def say():
    with open(sys.argv[1], 'a') as file: file.write('%d\\n' % os.getpid())
say()
if os.fork():
    while True: signal.pause()
say()
server.server_activate()
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

/// Loaded into doctor and into its trial program, it stops doctor before the trial program does anything.
const STOPS_DOCTOR: &str = "#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void stop(int count, char **arguments) {
    char text[4096], *end;
    if (count < 2) return;
    if (strcmp(arguments[1], \"doctor\") == 0) {
        sprintf(text, \"%d\", getpid());
        setenv(\"DOCTOR\", text, 1);
    } else if (strcmp(arguments[1], \"doctor-trial\") == 0) {
        kill(atoi(getenv(\"DOCTOR\")), SIGSTOP);
        // Until then, doctor may still read what comes.
        do {
            sprintf(text, \"/proc/%s/stat\", getenv(\"DOCTOR\"));
            int file = open(text, O_RDONLY);
            ssize_t length = read(file, text, sizeof text - 1);
            close(file);
            text[length < 0 ? 0 : length] = 0;
            end = strrchr(text, ')');
        } while (end && end[2] != 'T');
    }
}
";

#[test]
fn what_doctor_tries_ends_with_it() {
    let scratch = Scratch::new();
    let stops = scratch.compile("stops.so", STOPS_DOCTOR, &["-shared", "-fPIC"]);
    let doctor = Launcher::start_with(&["doctor"], |command| {
        command.env("LD_PRELOAD", stops);
    });
    let pid = doctor.child.id();
    let mut status = 0;
    // SAFETY: the call writes one number, into `status`.
    assert_eq!(unsafe { libc::waitpid(pid as i32, &raw mut status, libc::WUNTRACED) }, pid as i32);
    assert!(libc::WIFSTOPPED(status), "{status:#x}");
    let started = children(pid);
    assert_eq!(started.len(), 1, "{started:?}");
    // Once it has said its word, which would fail without doctor, the trial program has nothing more to do than to wait for doctor.
    let mut said = fs::File::open(format!("/proc/{}/fd/1", started[0])).unwrap();
    let mut readable = libc::pollfd { fd: said.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one structure, and 1 is their number.
    assert_eq!(unsafe { libc::poll(&raw mut readable, 1, PATIENCE.as_millis() as i32) }, 1, "no word");
    let mut word = [0; 6];
    said.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"EPIPE\n");
    drop(said);
    doctor.end(End::Signal(libc::SIGKILL));
    assert_goes(&started[0], "doctor");
}
