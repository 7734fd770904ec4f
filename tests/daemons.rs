//! Debian's daemons, as they are shipped: from root to another user, in a chroot, in the background, with a title over
//! their arguments, with crash handlers of their own.
//!
//! For each one in the table: with the library it looks as it does without, and serves through vanishing clients, in either
//! scope; and when it crashes, by a real fault or by a signal that somebody sends, it ends as it does without, and the
//! report is in the directory that was named at its start and nowhere else. They need root.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "what cannot be set up has failed the test"
)]

#[path = "daemons/attempt.rs"]
mod attempt;
#[path = "daemons/table.rs"]
mod table;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::iter;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use harness::fault::call_nowhere;
use harness::{Running, SIGSEGV, SIGTERM, bare, children, library, program, status, wait_for_port};
use table::{Daemon, End, Place, Victim};

const LIMIT: Duration = Duration::from_secs(120);

/// What is open says why, and is run with `--ignored`.
macro_rules! daemons {
    ($($name:ident $(, looks: $looks:literal)? $(, crashes: $crashes:literal)?;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            $(#[ignore = $looks])?
            fn looks_and_serves_as_bare() {
                if is_root() {
                    table::$name().looks_and_serves_as_bare();
                }
            }

            #[test]
            $(#[ignore = $crashes])?
            fn ends_by_a_fault_as_bare_and_reports_it() {
                if is_root() {
                    table::$name().crashes_as_bare(Crash::Fault);
                }
            }

            #[test]
            $(#[ignore = $crashes])?
            fn ends_by_a_sent_signal_as_bare_and_reports_it() {
                if is_root() {
                    table::$name().crashes_as_bare(Crash::Sent);
                }
            }
        }
    )*};
}

daemons! {
    vsftpd;
    apache_event;
    apache_prefork;
    memcached;
    redis;
    unbound;
    haproxy;
    nginx;
    lighttpd;
    mosquitto;
    mariadb;
    java_behind;
    java_before;
}

/// `nosigpipe try` on each: what it says of their deaths is what strace says.
macro_rules! tried {
    ($($name:ident)*) => {
        mod try_says_what_strace_sees {
            use super::*;
            $(#[test] fn $name() {
                if is_root() {
                    attempt::says_what_strace_sees(&table::$name());
                }
            })*
        }
    };
}

tried! { vsftpd apache_event apache_prefork memcached redis unbound haproxy nginx lighttpd mosquitto mariadb }

#[test]
fn try_says_why_programs_of_socket_activation_die() {
    attempt::says_why_programs_of_socket_activation_die();
}

fn is_root() -> bool {
    // SAFETY: it has no memory to get wrong.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        println!("skipped: daemons give up root, and there is none to give up");
    }
    root
}

#[derive(Clone, Copy)]
enum Crash {
    /// A call of a function where nothing is mapped.
    Fault,
    /// SIGSEGV from kill(2).
    Sent,
}

/// How a daemon is run.
#[derive(Clone, Copy, PartialEq)]
enum With {
    Nothing,
    Library { scope: &'static str },
}

/// A daemon that was started, with all that it has started; ended when dropped.
struct Started {
    keeper: Running,
    main: i32,
}

impl Started {
    /// What the keeper says of a process's end. The daemon may have left a line unfinished before it, since it writes to the same pipe.
    fn kept_end(&self, pid: i32) -> String {
        let words = format!("{pid} ended:");
        let line = self.keeper.wait_for_line(&words, LIMIT);
        line[line.find(&words).unwrap_or_default()..].to_owned()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.keeper.is_alive() {
            self.keeper.signal(SIGTERM);
            let _ = self.keeper.ended(LIMIT);
        }
    }
}

impl Daemon {
    fn start(&self, place: &Place, with: With) -> Started {
        let preload = self.preload.iter().filter_map(|name| match (*name, with) {
            (table::OURS, With::Nothing) => None,
            (table::OURS, With::Library { .. }) => {
                // Where the users can read it that daemons become.
                fs::copy(library(), place.path.join("libnosigpipe.so")).expect("the library can be copied");
                Some(place.file("libnosigpipe.so"))
            }
            (other, _) => Some(other.to_owned()),
        });
        let preload = preload.collect::<Vec<_>>().join(":");
        let command = (self.command)(place);
        // The keeper is without the library, and sets it for the daemon alone.
        let mut subject = bare(program("keeper")).arg("env").arg("-i").args([
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            format!("LD_PRELOAD={preload}"),
            // Long enough for a title to find room.
            "DESCRIPTION=an environment that is as long as that of a service usually is".to_owned(),
        ]);
        if let With::Library { scope } = with {
            subject = subject.arg(format!("NOSIGPIPE_SCOPE={scope}"));
            subject = subject.arg(format!("NOSIGPIPE_REPORT={}", place.file("reports")));
            // On a busy machine a report takes its time.
            subject = subject.arg("NOSIGPIPE_CRASH_TIMEOUT=60");
        }
        let keeper = subject.args(command).current_dir(&place.path).start();
        wait_for_port(&keeper, place.port, LIMIT);
        if self.background {
            keeper.wait_for_line("ended: exit 0", LIMIT);
        }
        let main = wait_for("the daemon's process", || match children(keeper.pid())[..] {
            [one] if self.is_ready(one, place) => Some(one),
            _ => None,
        });
        Started { keeper, main }
    }

    /// It has served a client, and has all its processes.
    fn is_ready(&self, main: i32, place: &Place) -> bool {
        (self.answers)(place);
        match self.victim {
            Victim::Child(count) => children(main).len() == count,
            Victim::Main | Victim::OfClient(..) => true,
        }
    }

    fn looks_and_serves_as_bare(&self) {
        let place = Place::new();
        let started = self.start(&place, With::Nothing);
        let look = self.look(&place, started.main);
        if self.survives_bare {
            (self.storm)(&place);
            (self.answers)(&place);
            wait_until_idle(&place);
        }
        let end = self.end_in_order(&place, started);

        for scope in ["process", "sockets"] {
            let place = Place::new();
            let started = self.start(&place, With::Library { scope });
            assert_eq!(self.look(&place, started.main), look, "in scope {scope}");
            let status = status(started.main);
            assert_eq!(status["stage"], "active", "{status:#}");
            // What goes into the background is another process than the one that was started with the library.
            assert_eq!(status["scope"], if self.background { "sockets" } else { scope }, "{status:#}");
            (self.storm)(&place);
            (self.answers)(&place);
            if self.survives_bare {
                wait_until_idle(&place);
            }
            assert_eq!(self.end_in_order(&place, started), end, "in scope {scope}");
            let reports = reports(&place);
            assert_eq!(reports.len(), self.crashed_by_itself(&place), "{reports:#?}");
        }
    }

    /// How many processes have crashed of which the daemon's log says so, though nobody made them: Apache's event workers do
    /// now and then while they are told to end, bare, too (2 of 60 times under a storm).
    fn crashed_by_itself(&self, place: &Place) -> usize {
        let End::Logged(log, words) = self.end else { return 0 };
        let log = fs::read_to_string(place.path.join(log)).unwrap_or_default();
        log.lines().filter(|line| line.contains(words) && line.contains("Segmentation fault")).count()
    }

    /// What ps shows of all its processes, and what is left of the environment's memory.
    fn look(&self, place: &Place, main: i32) -> Vec<(String, String, String)> {
        let read = |pid: i32, file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            masked(place, &String::from_utf8_lossy(&bytes).replace('\0', "\n"))
        };
        // Those of clients come and go.
        let workers = if matches!(self.victim, Victim::OfClient(..)) { Vec::new() } else { children(main) };
        let mut look: Vec<_> = iter::once(main)
            .chain(workers)
            .map(|pid| {
                let (command, environ) = (read(pid, "cmdline"), read(pid, "environ"));
                let ours = |line: &str| line.starts_with("LD_PRELOAD=") || line.starts_with("NOSIGPIPE_");
                // A title is written over it, and then filled up.
                let environ: Vec<_> = environ.lines().filter(|line| line.contains('=') && !ours(line)).collect();
                (read(pid, "comm"), command.trim_end().to_owned(), environ.join("\n"))
            })
            .collect();
        look.sort();
        look
    }

    /// Asked to end, by SIGTERM: the keeper's word for how it did that.
    fn end_in_order(&self, place: &Place, started: Started) -> String {
        // SAFETY: it has no memory to get wrong; the process is below our keeper, which has not reaped it.
        unsafe { libc::kill(started.main, SIGTERM) };
        let end = started.kept_end(started.main);
        let stderr = masked(place, &started.keeper.stderr());
        assert!(!stderr.contains("nosigpipe"), "{stderr}");
        masked(place, &end)
    }

    fn crashes_as_bare(&self, crash: Crash) {
        let place = Place::new();
        let started = self.start(&place, With::Nothing);
        let (end, _) = self.crash(&place, &started, crash);
        drop(started);

        let place = Place::new();
        let started = self.start(&place, With::Library { scope: "process" });
        let (end_with_library, victim) = self.crash(&place, &started, crash);
        let reports = wait_for("a report", || Some(reports(&place)).filter(|reports| !reports.is_empty()));
        let stderr = started.keeper.stderr();
        // Both on one line, which is all that is seen of a failure far away.
        assert!(end_with_library == end, "{end_with_library:?} with the library, {end:?} bare: {reports:#?}\n{stderr}");
        let [report] = &reports[..] else { panic!("{} reports: {reports:#?}", reports.len()) };
        let first = report.lines().next().unwrap_or_default();
        let signal = if matches!(crash, Crash::Fault) { "SIGSEGV" } else { self.ends_by };
        assert!(first.contains(&format!("(pid {victim}) crashed: {signal}")), "{report}");
        assert!(report.contains(self.says), "{report}");
        match crash {
            Crash::Fault => assert!(first.contains("0x10"), "{report}"),
            Crash::Sent if self.sends_again => assert!(first.contains("raised by the process itself"), "{report}"),
            Crash::Sent => assert!(report.contains(&format!("{}", std::process::id())), "{report}"),
        }
        // "stack of thread N" or, where several have the same, "stack of 7 threads".
        let stacks = report.lines().filter_map(|line| line.strip_prefix("stack of "));
        let counts = stacks.map(|rest| rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(1));
        let threads: usize = counts.sum();
        assert!(threads >= self.threads, "{threads} stacks of {}: {report}", self.threads);
        assert!(!report.contains("can't be read"), "{report}");
        let frames = report.lines().skip_while(|line| !line.contains("which crashed:")).skip(1);
        let frames = frames.take_while(|line| line.starts_with("  ")).filter(|line| line.contains('#')).count();
        // A thread that is just beginning has two, start_thread and clone3.
        assert!(frames >= 2, "{report}");
        assert!(report.contains("\nregisters:"), "{report}");
        assert!(!stderr.contains("stack of thread"), "{stderr}");
    }

    /// Has the victim crash: how it ended, and its pid.
    fn crash(&self, place: &Place, started: &Started, crash: Crash) -> (String, i32) {
        let mut client = None;
        let victim = match self.victim {
            Victim::Main => started.main,
            Victim::Child(_) => children(started.main)[0],
            Victim::OfClient(request, answer) => {
                let mut stream = TcpStream::connect(("127.0.0.1", place.port)).expect("it listens");
                stream.set_read_timeout(Some(LIMIT)).expect("a timeout can be set");
                stream.write_all(request).expect("it is there");
                let mut answered = Vec::new();
                while !String::from_utf8_lossy(&answered).contains(answer) {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).expect("it answers");
                    answered.extend(byte);
                }
                client = Some(stream);
                wait_for("the client's process", || {
                    let mut process = started.main;
                    while let Some(child) = children(process).last() {
                        process = *child;
                    }
                    (process != started.main).then_some(process)
                })
            }
        };
        match crash {
            Crash::Fault => call_nowhere(victim),
            // SAFETY: it has no memory to get wrong; the process is below our keeper, and nobody has ended it.
            Crash::Sent => assert_eq!(unsafe { libc::kill(victim, SIGSEGV) }, 0),
        }
        let end = match self.end {
            End::Kept => started.kept_end(victim),
            End::Logged(log, words) => wait_for("a line in the daemon's log", || {
                let log = fs::read_to_string(place.path.join(log)).ok()?;
                let mut lines = log.lines().filter_map(|line| Some(&line[line.find(&format!("{victim} "))?..]));
                lines.find(|line| line.contains(words)).map(str::to_owned)
            }),
            End::Unseen => wait_for("the end of the process", || (!is_alive(victim)).then(String::new)),
        };
        if let Some(mut client) = client {
            // What the client still gets is what the server says to it, and not a word of ours.
            let mut rest = Vec::new();
            match client.read_to_end(&mut rest) {
                Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("the client waits: {error}"),
                _ => assert!(!String::from_utf8_lossy(&rest).contains("nosigpipe"), "{rest:?}"),
            }
        }
        if !matches!(self.victim, Victim::Main) {
            (self.answers)(place);
        }
        (masked(place, &end), victim)
    }
}

/// Waits until the daemon has closed all its connections: lighttpd's exit status tells whether it had some.
fn wait_until_idle(place: &Place) {
    const LISTENING: &str = "0A";
    let port = format!(":{:04X}", place.port);
    wait_for("the end of all connections", || {
        let table = fs::read_to_string("/proc/net/tcp").ok()?;
        let mut lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        // What no process has any more has no inode.
        let is_open = |line: &Vec<&str>| line[1].ends_with(&port) && line[3] != LISTENING && line[9] != "0";
        (!lines.any(|line| is_open(&line))).then_some(())
    });
}

/// Without what differs between two runs of anything: directories and numbers.
fn masked(place: &Place, text: &str) -> String {
    let text = text.replace(&place.path.display().to_string(), "DIR");
    let mut masked = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        masked += if digits.len() > 2 { "N" } else { digits };
        masked += &part[digits.len()..];
    }
    masked
}

fn reports(place: &Place) -> Vec<String> {
    let files = fs::read_dir(place.path.join("reports")).expect("the directory is there");
    let files = files.map(|file| file.expect("it can be read").path());
    // While it is being written, it has another name.
    let whole = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    whole.map(|path| fs::read_to_string(path).expect("it is text")).collect()
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Looks until there is something: for what no event tells of.
#[track_caller]
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come in {LIMIT:?}");
        thread::sleep(Duration::from_millis(10));
    }
}
