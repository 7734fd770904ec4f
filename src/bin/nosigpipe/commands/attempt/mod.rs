//! `try`: starts the user's own server, bare and then with the library, has clients go away in each way, and tells what
//! became of the server.

mod clients;
mod server;
mod watched;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::fs::File;
use std::io::{IsTerminal, Read, Write as _};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum, ValueHint, value_parser};
use serde_json::{Value, json};

use crate::commands::name;
use crate::commands::number::within;
use crate::commands::run::{library_flag, program_argument};
use crate::exit::{Failure, NOT_WELL, OK, reason};
use crate::{library, output, preflight};
use clients::{Kind, Target, Way};
use server::Server;
use watched::stopped;

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Http, Self::Grpc, Self::Tls, Self::Raw]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Tls => "tls",
            Self::Raw => "raw",
        }))
    }
}

pub fn command() -> Command {
    let seconds = |name: &'static str, default: &'static str| {
        Arg::new(name).long(name).value_name("SECONDS").default_value(default).value_parser(within(1_u64, 3600))
    };
    Command::new("try")
        .about("Start a server bare and with the library, and have clients vanish")
        .long_about(
            "Start PROGRAM, a server, as it is and then with the library, find the TCP ports on which it listens, and \
             have clients come and go away in all the ways in which clients do. Say what became of it, and whether it \
             answers. Clients come from this machine only, and everything that was started is ended, even if \
             nosigpipe itself is killed. It is for \
             servers that may be tried, not for one in service. Processes that live for one client only are seen to \
             die of SIGPIPE where the kernel tells of that: as root, on the machine itself.",
        )
        .arg(
            Arg::new("clients")
                .long("clients")
                .value_name("NUMBER")
                .default_value("100")
                .help("Clients that vanish in each way")
                .value_parser(within(1_u32, 100_000)),
        )
        .arg(
            Arg::new("kind")
                .long("kind")
                .value_name("KIND")
                .help("What the server speaks, if it is not to be found out")
                .value_parser(value_parser!(Kind)),
        )
        .arg(
            Arg::new("request")
                .long("request")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .help("What clients send: the bytes of this file")
                .value_parser(name::file()),
        )
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .help("The port to try, if not all")
                .value_parser(within(1_u16, u16::MAX)),
        )
        .arg(seconds("wait", "30").help("How long the server may take until it listens"))
        .arg(seconds("limit", "300").help("When clients stop coming, whatever is left to try"))
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON object, at the end"))
        .arg(library_flag())
        .arg(program_argument().help("The server and its arguments"))
}

/// What the command line asks for.
struct Plan {
    /// The server and its arguments.
    words: Vec<OsString>,
    /// How many clients go away in each way.
    clients: u32,
    /// The protocol, if the user has named it.
    kind: Option<Kind>,
    /// A recorded request to send, if there is one.
    request: Option<Vec<u8>>,
    /// The only port to try; all if there is none.
    port: Option<u16>,
    is_json: bool,
    /// How long a server may take until it listens.
    wait: Duration,
    /// When clients stop coming: one time limit for both servers.
    deadline: Instant,
}

/// What became of the server when clients went away in one way at one port.
struct Row {
    port: u16,
    kind: Kind,
    way: Way,
    /// Clients that there were; fewer than asked for if the server was gone before.
    clients: u32,
    /// How it has ended, if it has.
    end: Option<String>,
    /// Whether SIGPIPE has ended it.
    by_sigpipe: bool,
    /// Whether a client that stays still gets the answer that it got at first.
    answers: bool,
    /// Its processes that have ended, though the server goes on.
    gone: usize,
    /// Its processes that SIGPIPE has ended, long-lived or not, though the server goes on; 0 where the kernel does not
    /// tell.
    dead: usize,
    /// Broken pipes that the library has counted, by call.
    counted: BTreeMap<&'static str, u64>,
}

impl Row {
    fn is_good(&self) -> bool {
        self.end.is_none() && self.answers
    }

    fn as_json(&self) -> Value {
        json!({
            "port": self.port,
            "protocol": self.kind.word(),
            "way": self.way.words(),
            "clients": self.clients,
            "end": self.end,
            "died_of_sigpipe": self.by_sigpipe,
            "answers": self.answers,
            "processes_ended": self.gone,
            "processes_died_of_sigpipe": self.dead,
            "broken_pipes": self.counted,
        })
    }

    /// All of it in words, on one line.
    fn what(&self) -> String {
        let mut text = match &self.end {
            Some(end) => format!("{end} after {} clients", self.clients),
            None => format!("there after {} clients", self.clients),
        };
        if self.dead > 0 && self.end.is_none() {
            let _ = write!(text, "; {} of its processes died of SIGPIPE", self.dead);
        } else if self.gone > 0 && self.end.is_none() {
            let _ = write!(text, "; {} of its processes ended", self.gone);
        }
        if self.end.is_none() {
            text += if self.answers { "; answers" } else { "; DOES NOT ANSWER" };
        }
        if !self.counted.is_empty() {
            let counts: Vec<_> = self.counted.iter().map(|(call, count)| format!("{call} {count}")).collect();
            let _ = write!(text, "; EPIPE: {}", counts.join(", "));
        }
        text
    }
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let words: Vec<OsString> = matches.get_many("program").unwrap_or_default().cloned().collect();
    let (program, arguments) = words.split_first().ok_or_else(|| Failure::refused("no program given"))?;
    let examined = preflight::examine(program, arguments)?;
    let library = library::find(matches.get_one::<OsString>("library").map(OsString::as_os_str))?.path;
    examined.fits(&library)?;
    let request = matches.get_one::<OsString>("request").map(|file| recorded(file)).transpose()?;
    let is_json = matches.get_flag("json");
    let seconds = |name: &str| Duration::from_secs(matches.get_one(name).copied().unwrap_or(1));
    let plan = Plan {
        clients: matches.get_one("clients").copied().unwrap_or(1),
        kind: matches.get_one("kind").copied(),
        port: matches.get_one("port").copied(),
        wait: seconds("wait"),
        deadline: Instant::now() + seconds("limit"),
        request,
        is_json,
        words,
    };
    watched::in_another_process(|| plan.both(&library))
}

/// Reads the file of a recorded request.
///
/// # Errors
/// When it can't be read, is empty, or is larger than is allowed.
fn recorded(file: &OsStr) -> Result<Vec<u8>, Failure> {
    /// In bytes.
    const MOST: u64 = 16 << 20;
    let mut request = Vec::new();
    let opened = File::open(file).and_then(|file| file.take(MOST + 1).read_to_end(&mut request));
    let length = opened.map_err(|error| Failure::about(output::name(file), &error))?;
    match length as u64 {
        0 => Err(Failure::refused(format!("{}: a request may not be empty", output::name(file)))),
        length if length > MOST => {
            Err(Failure::refused(format!("{}: a request may have 16 MiB at most", output::name(file))))
        }
        _ => Ok(request),
    }
}

impl Plan {
    /// The whole trial: the server bare, then with the library, and the verdict. The exit code is `OK` if the server
    /// with the library survived and answers.
    fn both(&self, library: &Path) -> Result<u8, Failure> {
        let bare = self.all_ways("as it is", None)?;
        let with = self.all_ways("with the library", Some(library))?;
        // Where the time was over before the library's turn, nothing was seen.
        let is_good = !with.is_empty() && with.iter().all(Row::is_good);
        if self.is_json {
            progress("");
            let rows = |rows: &[Row]| rows.iter().map(Row::as_json).collect::<Vec<_>>();
            let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
            let all = json!({ "server": words, "bare": rows(&bare), "with_library": rows(&with), "good": is_good });
            output::write_json(&format!("{all}\n"))?;
        } else {
            output::write(&verdict(&bare, &with))?;
        }
        Ok(if is_good { OK } else { NOT_WELL })
    }

    /// Writes a line for people as soon as it is known, unless JSON was asked for.
    fn say(&self, line: &str) -> Result<(), Failure> {
        if self.is_json { Ok(()) } else { output::write(line) }
    }

    /// Tries each way at each port, with a new server whenever one has ended or does not answer any more.
    fn all_ways(&self, how: &str, library: Option<&Path>) -> Result<Vec<Row>, Failure> {
        let mut server = self.start(library)?;
        self.say(&format!("\nThe server {how}:\n"))?;
        if library.is_some() && !server.has_library() {
            output::complain("the library is in none of the server's processes: nosigpipe status tells why");
        }
        let mut targets = self.targets(&server)?;
        let mut rows = Vec::new();
        let all: Vec<(usize, Way)> = targets
            .iter()
            .enumerate()
            .flat_map(|(index, target)| Way::all(target.kind).iter().map(move |way| (index, *way)))
            .collect();
        for (index, way) in all {
            if Instant::now() > self.deadline {
                output::complain("time is up (--limit): the rest was not tried");
                break;
            }
            let Some(target) = targets.get(index) else { continue };
            let row = self.one_way(&mut server, target, way)?;
            self.say(&format!("  port {:<5} {:<4} {:<31} {}\n", row.port, row.kind.word(), way.words(), row.what()))?;
            let is_over = row.end.is_some() || !row.answers;
            rows.push(row);
            if is_over {
                server.end();
                server = self.start(library)?;
                // It may have chosen another port.
                targets = self.targets(&server)?;
            }
        }
        Ok(rows)
    }

    /// Starts a server and waits until it listens. While its port is in use, this is tried again: connections to the
    /// server before may be in TIME_WAIT, which takes 60 s on Linux (TCP_TIMEWAIT_LEN in its net/tcp.h).
    fn start(&self, library: Option<&Path>) -> Result<Server, Failure> {
        const AGAIN: Duration = Duration::from_secs(65);
        let deadline = Instant::now() + AGAIN;
        loop {
            match Server::start(&self.words, library, self.wait) {
                Err(failure) if failure.message.contains("in use") && Instant::now() < deadline => {
                    progress("the port is still in use: waiting");
                    sleep(Duration::from_secs(1));
                }
                started => return started,
            }
        }
    }

    /// The ports to try, with what the server speaks there.
    ///
    /// # Errors
    /// When there is none.
    fn targets(&self, server: &Server) -> Result<Vec<Target>, Failure> {
        let mut targets: Vec<Target> = Vec::new();
        for listener in &server.listeners {
            if self.port.is_some_and(|port| port != listener.port) {
                continue;
            }
            let Some(address) = Target::address(listener) else {
                output::complain(&format!(
                    "port {} is left out: it is not open on this machine's loopback",
                    listener.port
                ));
                continue;
            };
            // Listening for IPv4 and IPv6, by one socket or by two, is one server.
            if targets.iter().any(|target| target.address.port() == address.port()) {
                continue;
            }
            stopped()?;
            progress(&format!("asking port {}", address.port()));
            match Target::probe(address, self.kind, self.request.as_deref()) {
                Ok(target) => targets.push(target),
                Err(error) => output::complain(&format!("port {} is left out: {}", listener.port, reason(&error))),
            }
        }
        if let Some(port) = self.port
            && !server.listeners.iter().any(|listener| listener.port == port)
        {
            let mut open: Vec<String> = server.listeners.iter().map(|listener| listener.port.to_string()).collect();
            // With one socket for IPv4 and one for IPv6, a port is there twice, one after the other.
            open.dedup();
            let open = open.join(", ");
            return Err(Failure::refused(format!("the server does not listen on port {port} (--port), but on {open}")));
        }
        if targets.is_empty() {
            return Err(Failure::refused("there is no port to try"));
        }
        Ok(targets)
    }

    /// Has clients go away in one way at one port, and looks what has become of the server.
    fn one_way(&self, server: &mut Server, target: &Target, way: Way) -> Result<Row, Failure> {
        // Time for packets and signals that are under way.
        const MOMENT: Duration = Duration::from_millis(50);
        // Clients at once: fewer than fit into the shortest queue of connections that servers ask listen(2) for.
        const BATCH: u32 = 4;
        let before = server.processes();
        // Processes that died before, when the port was probed, are not these clients' doing.
        server.deaths_of_sigpipe();
        let mut clients = 0;
        while clients < self.clients && Instant::now() < self.deadline {
            stopped()?;
            let batch = BATCH.min(self.clients - clients);
            // Meanwhile this client keeps a server busy that serves one after the other: the others have gone when it
            // comes to them, whoever is faster.
            let slow = target.keep_busy(way);
            let refused = (0..batch).filter(|_| target.vanish(way).is_err()).count();
            drop(slow);
            clients += batch;
            if refused > 0 || clients == batch || clients.is_multiple_of(10 * BATCH) {
                progress(&format!("port {}, {}: {clients} of {}", target.address.port(), way.words(), self.clients));
                if !server.is_there() {
                    break;
                }
            }
        }
        sleep(MOMENT);
        // A server that serves one client after the other answers this only when it has done with all before.
        let answers = target.answers();
        sleep(MOMENT);
        let is_there = server.is_there();
        // A server that was busy is asked once more.
        let answers = is_there && (answers || target.answers());
        let now = server.processes();
        Ok(Row {
            port: target.address.port(),
            kind: target.kind,
            way,
            clients,
            end: (!is_there).then(|| server.end_in_words()),
            by_sigpipe: !is_there && server.died_of_sigpipe(),
            answers,
            gone: before.iter().filter(|pid| !now.contains(pid)).count(),
            dead: server.deaths_of_sigpipe(),
            counted: server.count(),
        })
    }
}

/// Shows a line on standard error, which the next one replaces, if that is a terminal.
fn progress(what: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        // Nobody is left to be told when this fails.
        let _ = write!(stderr, "\r\x1b[K{what}\r");
    }
}

/// The last lines for people: what became of the server bare, and with the library.
fn verdict(bare: &[Row], with: &[Row]) -> String {
    progress("");
    let total = |rows: &[Row]| rows.iter().map(|row| row.clients).sum::<u32>();
    let died = bare.iter().filter(|row| row.end.is_some()).count();
    let by_sigpipe = bare.iter().filter(|row| row.by_sigpipe).count();
    let dead = |rows: &[Row]| match rows.iter().map(|row| row.dead).sum() {
        0 => String::new(),
        1 => ", but a process of it died of SIGPIPE".into(),
        dead => format!(", but {dead} processes of it died of SIGPIPE"),
    };
    let mut text = String::from("\n");
    let _ = if died == 0 {
        writeln!(text, "As it is, it survived {} vanishing clients{}.", total(bare), dead(bare))
    } else {
        writeln!(text, "As it is, it ended in {died} of {} ways, {by_sigpipe} of them by SIGPIPE.", bare.len())
    };
    let bad = with.iter().filter(|row| !row.is_good()).count();
    let epipe: u64 = with.iter().flat_map(|row| row.counted.values()).sum();
    let _ = if with.is_empty() {
        writeln!(text, "With the library, nothing was tried: the time was up (--limit).")
    } else if bad == 0 {
        writeln!(
            text,
            "With the library, it survived {} vanishing clients and answers{}; {epipe} broken pipes were counted.",
            total(with),
            dead(with)
        )
    } else {
        writeln!(text, "With the library, it did not survive or answer in {bad} of {} ways.", with.len())
    };
    if with.iter().any(|row| row.dead > 0) {
        text += "Processes that died with it were started without the library, as by a server that hands on no LD_PRELOAD, or wrote to \
                 a pipe that broke, as ever: nosigpipe status --tree PID tells which have it.\n";
    }
    text
}
