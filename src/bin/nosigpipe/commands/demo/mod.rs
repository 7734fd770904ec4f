//! `demo`: shows that a naive server dies when a client goes away; that with the library it survives thousands of them;
//! and that it reports its own crash.

pub mod server;

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command};

use crate::commands::number::within;
use crate::commands::run::library_flag;
use crate::commands::status::survived;
use crate::exit::{DEMO_FAILED, Failure, NO_PERMISSION, OK};
use crate::platform::process;
use crate::snapshot::Snapshot;
use crate::{library, output};

/// How long to wait for any one thing: on a machine that works, nothing here takes that long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Clients that vanish while the server is busy with one that stays: fewer than fit into the queue of a listening
/// socket, for which std's `TcpListener` asks for 128 places.
const BATCH: u32 = 100;

/// The request that the server answers.
const REQUEST: &str = "GET / HTTP/1.0\r\n\r\n";

pub fn command() -> Command {
    Command::new("demo")
        .about("Show a server dying of SIGPIPE, and surviving thousands of vanishing clients with the library")
        .arg(
            Arg::new("clients")
                .long("clients")
                .value_name("NUMBER")
                .default_value("5000")
                .help("Clients that vanish")
                .value_parser(within(1_u32, 1_000_000)),
        )
        .arg(library_flag())
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let clients = matches.get_one("clients").copied().unwrap_or_default();
    let library = library::find(matches.get_one::<std::ffi::OsString>("library").map(|path| path.as_os_str()))?.path;
    bare()?;
    protected(&library, clients)?;
    crashing(&library)?;
    say(
        "\nThat was: nosigpipe run --log summary -- SERVER. Try it with yours; nosigpipe check SERVER says if it can.",
    )?;
    Ok(OK)
}

/// The server without the library, which one client kills.
fn bare() -> Result<(), Failure> {
    let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
    say("A naive server, as it is:")?;
    let mut server = Server::start(Process::new(executable).arg(server::NAME))?;
    server.expect_answer()?;
    say(&format!("  process {} answers on port {}", server.child.id(), server.port))?;
    server.be_left_by(1)?;
    say("  1 client sends its request and is gone before the answer")?;
    let end = server.end()?;
    match end.signal() {
        Some(libc::SIGPIPE) => say("  the server is dead: SIGPIPE, exit code 141 in a shell, and not one log line"),
        _ => Err(failed(&format!("the server should have died of SIGPIPE, but: {end}"))),
    }
}

/// The same server with the library, which no client kills.
fn protected(library: &Path, clients: u32) -> Result<(), Failure> {
    let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
    say("\nThe same server under nosigpipe run --log summary:")?;
    // With --log=summary the library counts broken pipes of write(2), too; else it has SIGPIPE ignored, and nothing
    // sees them.
    let mut command = Process::new(&executable);
    command.args(["run", "--log", "summary", "--library"]).arg(library).arg("--").arg(&executable).arg(server::NAME);
    let mut server = Server::start(command.stderr(Stdio::piped()))?;
    server.expect_answer()?;
    let pid = server.child.id();
    say(&format!("  process {pid} answers on port {}", server.port))?;

    let start = Instant::now();
    let mut left = clients;
    while left > 0 {
        let batch = left.min(BATCH);
        server.be_left_by(batch)?;
        left -= batch;
    }
    let seconds = start.elapsed().as_secs_f64();
    say(&format!("  {clients} clients send their requests and are gone before the answers, in {seconds:.1} s"))?;
    server.expect_answer()?;
    say("  the server is alive and answers correctly")?;

    // Old kernels (4.4) fail some of these writes with ECONNRESET, which raises no signal and is not counted.
    let enough = u64::from(clients) - u64::from(clients) / 10;
    let counted = |count: u64| match count {
        count if count < enough => {
            Err(failed(&format!("{clients} broken pipes should have been counted, not {count}")))
        }
        _ => Ok(()),
    };
    match process::inspect(pid) {
        Ok(inspected) => {
            let snapshot = inspected.library.map_or_else(|| Snapshot::decode(&[]), |library| library.snapshot);
            let snapshot = snapshot.map_err(Failure::refused)?;
            say(&format!(
                "  nosigpipe status {pid} says: survived {}; {} connections accepted",
                survived(&snapshot),
                snapshot.accepted
            ))?;
            counted(snapshot.broken_pipes())?;
        }
        // Not every system lets a process look into another, not even into its own child.
        Err(failure) if failure.code == NO_PERMISSION => {
            say(&format!("  sudo nosigpipe status {pid} would say what the library has counted"))?;
        }
        Err(failure) => return Err(failure),
    }
    say("  asked to end, it says so itself:")?;
    server.request(server::QUIT)?;
    let end = server.end()?;
    let told = server.told();
    // If standard error can't be written, this can't be reported either.
    let _ = io::stderr().write_all(told.as_bytes());
    let number = told.strip_prefix("nosigpipe: ").and_then(|told| told.split_once(" broken pipes survived, "));
    counted(number.and_then(|(number, _)| number.parse().ok()).unwrap_or(0))?;
    if !end.success() {
        return Err(failed(&format!("the server should have ended with exit code 0, but: {end}")));
    }
    say("  and ends with exit code 0")
}

/// The same server with the library, and a request that makes it crash.
fn crashing(library: &Path) -> Result<(), Failure> {
    let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
    say("\nThe same server again, with a mistake in it that one request finds:")?;
    let mut command = Process::new(&executable);
    command.args(["run", "--values=on", "--library"]).arg(library).arg("--").arg(&executable).arg(server::NAME);
    let mut server = Server::start(&mut command)?;
    server.expect_answer()?;
    say(&format!(
        "  process {} answers on port {}, and then says on standard error why it dies:\n",
        server.child.id(),
        server.port
    ))?;
    server.request(server::CRASH)?;
    let end = server.end()?;
    match end.signal() {
        Some(libc::SIGSEGV) => say("\n  the server is dead: SIGSEGV, exit code 139 in a shell, as without the library"),
        _ => Err(failed(&format!("the server should have died of SIGSEGV, but: {end}"))),
    }
}

/// A running server; it is killed when it is dropped before it has ended.
struct Server {
    child: Child,
    /// The port on which it listens.
    port: u16,
}

impl Server {
    /// Starts it, and reads from its standard output on which port it listens.
    fn start(command: &mut Process) -> Result<Self, Failure> {
        // std starts children with SIGPIPE at its default action, as a shell does. Nothing is written to the pipe that
        // is their standard input: when this process ends, however that is, the pipe is closed, and the server sees
        // that and ends, too.
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut server = Self { child: child.map_err(|error| Failure::about("demo server", &error))?, port: 0 };
        let mut line = String::new();
        if let Some(stdout) = server.child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| Failure::about("demo server", &error))?;
        }
        server.port = line.trim().parse().map_err(|_| failed("the server did not start"))?;
        Ok(server)
    }

    /// Connects a client, which waits for answers as long as `PATIENCE`.
    fn connect(&self) -> io::Result<TcpStream> {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        client.set_read_timeout(Some(PATIENCE))?;
        // Without this, the second half of a slow request would wait until the first is acknowledged (Nagle's
        // algorithm).
        client.set_nodelay(true)?;
        Ok(client)
    }

    /// Sends a request as a client that waits for the answer.
    ///
    /// # Errors
    /// When the answer is not the right one.
    fn request(&self, request: &str) -> Result<(), Failure> {
        self.connect()
            .and_then(|mut client| {
                client.write_all(request.as_bytes())?;
                answer(client)
            })
            .map_err(|error| Failure::new(DEMO_FAILED, format!("demo: {error}")))
    }

    /// Fails when it does not answer as it should.
    fn expect_answer(&self) -> Result<(), Failure> {
        self.request(REQUEST)
    }

    /// Has that many clients send a request and go away before the server comes to them: meanwhile another client,
    /// which gets its answer afterwards, keeps the server busy with half a request. So nothing depends on whether
    /// clients or the server are faster.
    fn be_left_by(&self, clients: u32) -> Result<(), Failure> {
        let all = || {
            let mut slow = self.connect()?;
            let (first, rest) = REQUEST.split_at(4);
            slow.write_all(first.as_bytes())?;
            for _ in 0..clients {
                vanish(self.connect()?)?;
            }
            slow.write_all(rest.as_bytes())?;
            answer(slow)
        };
        all().map_err(|error| Failure::new(DEMO_FAILED, format!("demo: {error}")))
    }

    /// What it has written to standard error, to be called when it has ended; empty if that is not our pipe.
    fn told(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // If reading fails, the text is too short, and the caller notices.
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    fn end(&mut self) -> Result<ExitStatus, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < deadline => sleep(Duration::from_millis(2)),
                Ok(None) => return Err(failed("the server should have ended, and runs on")),
                Err(error) => return Err(Failure::about("demo server", &error)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both do nothing to a process that has ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the answer, and fails if it is not the right one.
fn answer(mut client: TcpStream) -> io::Result<()> {
    let mut text = String::new();
    client.read_to_string(&mut text)?;
    if text == server::ANSWER { Ok(()) } else { Err(io::Error::other(format!("wrong answer: {text:?}"))) }
}

/// The client that kills: it sends a whole request, the end of the stream (FIN), and a reset. The server can read the
/// request, and its first write then raises SIGPIPE.
fn vanish(mut client: TcpStream) -> io::Result<()> {
    client.write_all(REQUEST.as_bytes())?;
    client.shutdown(Shutdown::Write)?;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option's value is a linger structure of this size.
    let result = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Writes a line to standard output.
fn say(line: &str) -> Result<(), Failure> {
    output::write(&format!("{line}\n"))
}

/// The failure of the demo itself.
fn failed(what: &str) -> Failure {
    Failure::new(DEMO_FAILED, format!("demo: {what}"))
}
