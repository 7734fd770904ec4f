//! `nosigpipe report` with debug files from debuginfod's cache and from its servers: Debian's, and some that nobody should have to
//! do with.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use harness::clients::{ask, get};
use harness::{Outcome, Running, Scratch, Subject, bare, free_port, launcher, preloaded, wait_for_port};

const SOURCE: &str = "__attribute__((noinline)) static int query(int *volatile row) { return *row; }
__attribute__((noinline)) static int handle(int *volatile row) { return query(row) + 1; }
int main(void) { return handle(0); }
";
/// What only debug information knows.
const NAMED: &str = "query at ./server.c:1";

/// A stripped program that has crashed, its debug file, and a cache.
struct Crash {
    scratch: Scratch,
    id: String,
    /// DEBUGINFOD_TIMEOUT, in seconds.
    patience: &'static str,
}

impl Crash {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::write(scratch.path().join("server.c"), SOURCE).unwrap();
        let script = "gcc -g -O0 -Wl,--build-id=sha1 -ffile-prefix-map=$PWD=. -o server server.c && mkdir debug cache && \
            objcopy --only-keep-debug server debug/server.debug && strip server && readelf -n server";
        let made = bare("sh").args(["-ec", script]).current_dir(scratch.path()).run();
        made.assert_code(0);
        let (_, id) = made.stdout().split_once("Build ID: ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let crashed = preloaded(scratch.path().join("server")).env("NOSIGPIPE_FORMAT", "json").run();
        fs::write(scratch.path().join("report.json"), crashed.stderr()).unwrap();
        Self { scratch, id: id.lines().next().unwrap().trim().to_owned(), patience: "20" }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn debug_file(&self) -> PathBuf {
        self.path("debug/server.debug")
    }

    /// `nosigpipe report` with the cache of this crash.
    fn report(&self) -> Subject {
        bare(launcher())
            .arg("report")
            .arg(self.path("report.json"))
            .env("DEBUGINFOD_CACHE_PATH", self.path("cache"))
            .env("DEBUGINFOD_URLS", "")
            .env("DEBUGINFOD_TIMEOUT", self.patience)
            .env("http_proxy", "")
    }

    fn cached(&self) -> PathBuf {
        self.path("cache").join(&self.id).join("debuginfo")
    }

    /// What a report with this server says. It is there in any case.
    fn asked(&self, port: u16) -> Outcome {
        let urls = format!("http://127.0.0.1:{port}");
        let outcome = self.report().arg("--debuginfod").env("DEBUGINFOD_URLS", urls).run();
        outcome.assert_code(0);
        assert!(outcome.stdout().contains("crashed: SIGSEGV") && outcome.stdout().contains("in short:"), "{outcome}");
        outcome
    }
}

#[test]
fn what_clients_of_debuginfod_have_fetched_is_read() {
    let crash = Crash::new();
    let bare = crash.report().run();
    assert!(!bare.assert_silent_success().stdout().contains("server.c"), "{bare}");
    fs::create_dir_all(crash.cached().parent().unwrap()).unwrap();
    fs::copy(crash.debug_file(), crash.cached()).unwrap();
    let with = crash.report().run();
    assert!(with.assert_silent_success().stdout().contains(NAMED), "{with}");

    // The places where the cache may be otherwise, and as a directory that is named.
    let (cache, home) = (crash.path("cache"), crash.path("home"));
    fs::create_dir_all(home.join(".cache")).unwrap();
    let elsewhere =
        |subject: Subject| subject.env("DEBUGINFOD_CACHE_PATH", "").env("HOME", &home).env("XDG_CACHE_HOME", "");
    let link = |to: &Path| std::os::unix::fs::symlink(&cache, to).unwrap();
    let none = elsewhere(crash.report()).run();
    assert!(!none.assert_silent_success().stdout().contains(NAMED), "{none}");
    let named = elsewhere(crash.report()).arg("--debug-dir").arg(&cache).run();
    assert!(named.assert_silent_success().stdout().contains(NAMED), "{named}");
    for place in [".cache/debuginfod_client", ".debuginfod_client_cache"] {
        link(&home.join(place));
        let found = elsewhere(crash.report()).run();
        assert!(found.assert_silent_success().stdout().contains(NAMED), "{place}: {found}");
        fs::remove_file(home.join(place)).unwrap();
    }
    link(&home.join("debuginfod_client"));
    let found = elsewhere(crash.report()).env("XDG_CACHE_HOME", &home).run();
    assert!(found.assert_silent_success().stdout().contains(NAMED), "{found}");

    // Another file in that place, or none that can be read, is none.
    fs::write(crash.cached(), "no ELF file").unwrap();
    assert!(!crash.report().run().assert_silent_success().stdout().contains(NAMED));
    fs::copy("/bin/true", crash.cached()).unwrap();
    assert!(!crash.report().run().assert_silent_success().stdout().contains(NAMED));
    fs::write(crash.cached(), "").unwrap();
    assert!(!crash.report().run().assert_silent_success().stdout().contains(NAMED));
}

/// Debian's server with the debug files of a directory.
fn debuginfod(crash: &Crash) -> (Running, u16) {
    let port = free_port();
    let server = bare("debuginfod")
        .args(["-F", "-d", ":memory:", "-t", "1", "-p", &port.to_string()])
        .arg(crash.path("debug"))
        .env("DEBUGINFOD_URLS", "")
        .limit(Duration::from_secs(120))
        .start();
    wait_for_port(&server, port, Duration::from_secs(100));
    let wanted = get(&format!("/buildid/{}/debuginfo", crash.id));
    let begin = Instant::now();
    while !ask(port, &wanted).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
        assert!(begin.elapsed() < Duration::from_secs(60), "debuginfod has not found the debug file");
        thread::sleep(Duration::from_millis(50)); // it tells nobody when it has read the directory
    }
    (server, port)
}

#[test]
fn a_debuginfod_is_asked_only_on_request_and_once() {
    let crash = Crash::new();
    let (server, port) = debuginfod(&crash);
    let urls = format!("http://127.0.0.1:{port}/");
    let unasked = crash.report().env("DEBUGINFOD_URLS", &urls).run();
    assert!(!unasked.assert_silent_success().stdout().contains(NAMED), "{unasked}");
    assert!(!crash.cached().exists());

    let asked = crash.report().arg("--debuginfod").env("DEBUGINFOD_URLS", format!("ima:enforcing {urls}")).run();
    assert!(asked.stdout().contains(NAMED), "{asked}");
    assert_eq!(fs::read(crash.cached()).unwrap(), fs::read(crash.debug_file()).unwrap());
    assert_eq!(fs::read_dir(crash.path("cache").join(&crash.id)).unwrap().count(), 1);
    drop(server);

    // From here on it is there, whoever runs no more. libc's is not asked for here: a machine may have it, or not.
    let later = crash.report().run();
    assert!(later.assert_silent_success().stdout().contains(NAMED), "{later}");
}

/// A server that answers each request by `answer`, which gets the path. Also the paths that it was asked for.
fn serve(
    answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            thread::spawn(move || {
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
                    request.extend(byte);
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().push(path.clone());
                // A client that has had enough goes away.
                let _ = answer(&path, &mut client);
            });
        }
    });
    (port, asked)
}

fn reply(client: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    write!(client, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    client.write_all(body)
}

/// A report with a server that brings nothing says so in lines of its own, the first of which is about the program's module and
/// has `says`; it leaves nothing in the cache.
fn brings_nothing(crash: &Crash, port: u16, says: &str) -> Outcome {
    let begin = Instant::now();
    let outcome = crash.asked(port);
    assert!(begin.elapsed() < Duration::from_secs(20), "{says}: {outcome}");
    assert!(!outcome.stdout().contains(NAMED), "{outcome}");
    let stderr = outcome.stderr();
    assert!(stderr.contains(says), "{says}: {outcome}");
    assert!(stderr.lines().all(|line| line.starts_with("nosigpipe: ") && line.len() < 300), "{outcome}");
    assert!(stderr.lines().count() <= 6, "{outcome}");
    assert_eq!(fs::read_dir(crash.path("cache")).unwrap().count(), 0, "{says}");
    outcome
}

#[test]
fn a_server_that_sends_rubbish_costs_a_line() {
    let crash = Crash::new();
    let (port, _) = serve(|_, client| reply(client, "200 OK", b"hello"));
    brings_nothing(&crash, port, "what came is no ELF file of this build id");
    let (port, _) = serve(|_, client| reply(client, "200 OK", &fs::read("/bin/true")?));
    brings_nothing(&crash, port, "what came is no ELF file of this build id");
    let (port, asked) = serve(|_, client| reply(client, "404 Not Found", b""));
    brings_nothing(&crash, port, "no debug file was to be had for");
    assert!(asked.lock().unwrap().contains(&format!("/buildid/{}/debuginfo", crash.id)));
    let (port, _) = serve(|_, client| reply(client, "403 Forbidden\r\nX: \x1b[2J", b""));
    let outcome = brings_nothing(&crash, port, "http://127.0.0.1:");
    assert!(!outcome.stderr().contains('\x1b'), "{outcome}");
    let (port, asked) = serve(|_, client| reply(client, "503 Busy", b""));
    brings_nothing(&crash, port, "status 503; this server is not asked again");
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (port, _) = serve(|_, client| client.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"));
    brings_nothing(&crash, port, "not asked again");
    let (port, _) = serve(|_, client| client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n\x7fELF"));
    brings_nothing(&crash, port, "not asked again");
    brings_nothing(&crash, free_port(), "not asked again");
}

#[test]
fn a_server_that_never_ends_is_left() {
    let crash = Crash { patience: "1", ..Crash::new() };
    let hang = |_: &str, client: &mut TcpStream| client.read(&mut [0]).map(|_| ());
    let (port, asked) = serve(hang);
    brings_nothing(&crash, port, "not asked again");
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (port, _) = serve(|_, client| {
        client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            client.write_all(b"x")?;
            thread::sleep(Duration::from_millis(100));
        }
    });
    brings_nothing(&crash, port, "less than 100 kB came in 1 s");
    let endless = |_: &str, client: &mut TcpStream| {
        client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            client.write_all(&[0; 65536])?;
        }
    };
    let too_large = |port: u16| {
        let outcome = crash
            .report()
            .arg(format!("--debuginfod=http://127.0.0.1:{port}"))
            .env("DEBUGINFOD_MAXSIZE", "1000000")
            .run();
        outcome.assert_code(0);
        assert!(outcome.stderr().contains("it has more than 1000000 bytes (DEBUGINFOD_MAXSIZE)"), "{outcome}");
        assert_eq!(fs::read_dir(crash.path("cache")).unwrap().count(), 0);
    };
    too_large(serve(endless).0);
    too_large(serve(|_, client| client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n")).0);
    let outcome = crash
        .report()
        .arg(format!("--debuginfod=http://127.0.0.1:{}", serve(endless).0))
        .env("DEBUGINFOD_MAXTIME", "1")
        .run();
    assert!(outcome.stdout().contains("in short:") && outcome.stderr().contains("not asked again"), "{outcome}");
}

#[test]
fn redirections_are_followed_a_few_times_and_the_next_server_is_asked() {
    let crash = Crash::new();
    let debug = fs::read(crash.debug_file()).unwrap();
    let wanted = format!("/buildid/{}/debuginfo", crash.id);
    let (good, _) = serve(move |path, client| match path == wanted {
        true => reply(client, "200 OK", &debug),
        false => reply(client, "404 Not Found", b""),
    });
    let (circle, asked) = serve(|path, client| {
        write!(client, "HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    });
    brings_nothing(&crash, circle, "not asked again");
    assert!(asked.lock().unwrap().len() < 10);
    let (leads, _) = serve(move |path, client| {
        let to = format!("http://127.0.0.1:{good}{path}");
        write!(client, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    });
    let outcome = crash.asked(leads);
    assert!(outcome.stdout().contains(NAMED), "{outcome}");

    fs::remove_file(crash.cached()).unwrap();
    let urls = format!("--debuginfod=ftp://127.0.0.1/ http://127.0.0.1:{circle} http://127.0.0.1:{good}");
    let outcome = crash.report().arg(urls).run();
    assert!(outcome.stdout().contains(NAMED), "{outcome}");
    assert!(outcome.stderr().contains("ftp://127.0.0.1/ is left out"), "{outcome}");
}

#[test]
fn what_is_asked_for_wrongly_is_refused_in_a_line() {
    let crash = Crash::new();
    let refused = |subject: Subject, says: &str| {
        let outcome = subject.run();
        outcome.assert_code(125);
        assert!(outcome.stderr().contains(says) && outcome.stderr().lines().count() == 1, "{outcome}");
    };
    refused(crash.report().arg("--debuginfod"), "set DEBUGINFOD_URLS, or give --debuginfod=URL");
    let homeless =
        |subject: Subject| subject.env("HOME", "").env("XDG_CACHE_HOME", "").env("DEBUGINFOD_CACHE_PATH", "");
    refused(homeless(crash.report()).arg("--debuginfod=http://127.0.0.1:1"), "set DEBUGINFOD_CACHE_PATH");
    // A cache that can't be written.
    let (port, _) = serve(|_, client| reply(client, "200 OK", b"hello"));
    let outcome = crash
        .report()
        .arg(format!("--debuginfod=http://127.0.0.1:{port}"))
        .env("DEBUGINFOD_CACHE_PATH", "/dev/null")
        .run();
    assert!(outcome.stdout().contains("in short:") && outcome.stderr().contains("/dev/null"), "{outcome}");
    // By curl, where it is; nobody speaks TLS there.
    let outcome = crash.report().arg(format!("--debuginfod=https://127.0.0.1:{port}")).run();
    assert!(outcome.stdout().contains("in short:") && outcome.stderr().contains("not asked again"), "{outcome}");
    let outcome =
        crash.report().arg(format!("--debuginfod=https://127.0.0.1:{port}")).env("PATH", crash.path("cache")).run();
    assert!(outcome.stderr().contains("https needs curl(1)"), "{outcome}");
}
