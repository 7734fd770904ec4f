//! `try`: what it says of a server is what strace sees, and nothing that it starts stays.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;

use harness::{Outcome, bare, free_port, launcher, program};

use crate::scratch::{Scratch, assert_refused, nosigpipe};

fn attempt(arguments: &[&str]) -> Outcome {
    nosigpipe().arg("try").args(arguments).limit(std::time::Duration::from_secs(120)).run()
}

/// A program of Python's that serves HTTP on a port that it chooses.
const SERVE: &str = "import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'here\\n')
    def log_message(self, *_): pass
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
";

#[test]
fn a_naive_server_dies_bare_as_strace_sees_it_and_lives_with_the_library() {
    let scratch = Scratch::new();
    let log = scratch.path("strace.log").display().to_string();
    let demo = launcher().display().to_string();
    let strace = ["strace", "-f", "-A", "-o", &log, "-e", "trace=none", "-e", "signal=SIGPIPE", &demo, "demo-server"];
    let outcome = attempt(&[&["--clients", "8", "--"], &strace[..]].concat());
    outcome.assert_code(0);
    let text = outcome.stdout();
    let (bare, with) = text.split_once("The server with the library:").unwrap();
    assert!(bare.contains("HTTP end of the request, then reset  died of SIGPIPE after "), "{outcome}");
    assert!(with.contains("there after 8 clients; answers; EPIPE: write "), "{outcome}");
    assert!(
        !with.contains("died of") && text.contains("With the library, it survived 48 vanishing clients"),
        "{outcome}"
    );
    let deaths = fs::read_to_string(&log).unwrap().matches("killed by SIGPIPE").count();
    assert!(deaths > 0 && text.contains(&format!(", {deaths} of them by SIGPIPE.")), "{deaths}\n{outcome}");
}

#[test]
fn a_daemon_and_what_it_leaves_behind_are_found_and_ended() {
    let scratch = Scratch::new();
    let pid = scratch.path("pid").display().to_string();
    // Its first process ends at once; the daemon has a session of its own, and ignores SIGTERM.
    let daemon = format!(
        "{SERVE}signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork(): sys.exit(0)
os.setsid()
open({pid:?}, 'a').write('%d\\n' % os.getpid())
server.serve_forever()
"
    );
    let program = scratch.file("daemon.py", daemon, 0o644).display().to_string();
    let outcome = attempt(&["--clients", "2", "--", "/usr/bin/python3", &program]);
    outcome.assert_code(0);
    assert!(outcome.stdout().contains("With the library, it survived 12 vanishing clients and answers"), "{outcome}");
    let pids = fs::read_to_string(scratch.path("pid")).unwrap();
    assert_eq!(pids.lines().count(), 2, "{outcome}");
    for pid in pids.lines() {
        assert!(!std::path::Path::new("/proc").join(pid).exists(), "{pid} is still there\n{outcome}");
    }
}

/// What `try` finds, as JSON, with a server of tests/programs/odd_processes.c, and how often that was told of a broken pipe.
fn attempt_with(processes: &str) -> (serde_json::Value, u64) {
    let scratch = Scratch::new();
    let told = scratch.path("told").display().to_string();
    let server = program("odd_processes").display().to_string();
    let outcome = attempt(&["--json", "--clients", "8", "--", &server, processes, &told]);
    let answer = serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
    (answer, fs::read(told).unwrap_or_default().len() as u64)
}

#[test]
fn a_worker_dies_whose_first_thread_had_ended() {
    let (answer, _) = attempt_with("workers");
    let rows = answer["bare"].as_array().unwrap();
    let dead = rows.iter().filter_map(|row| row["processes_died_of_sigpipe"].as_u64()).sum::<u64>();
    assert!(dead > 0, "{answer:#}");
}

#[test]
fn broken_pipes_of_a_process_with_a_child_by_vfork_are_counted_once() {
    let (answer, told) = attempt_with("vfork");
    let rows = answer["with_library"].as_array().unwrap();
    let counted = rows.iter().filter_map(|row| row["broken_pipes"]["write"].as_u64()).sum::<u64>();
    // The server may be told of more after the last look at it, when a client that had its answer has gone.
    assert!(counted > 0 && counted <= told, "{told}\n{answer:#}");
}

#[test]
fn a_request_of_grpc_is_whole() {
    let scratch = Scratch::new();
    let seen = scratch.path("seen").display().to_string();
    // Reads the connection preface and frames (RFC 9113, 3.4 and 4.1), and answers with an empty SETTINGS frame and, once a request
    // is whole, with RST_STREAM.
    let program = format!(
        "import socket
server = socket.create_server(('127.0.0.1', 0))
while True:
    client, _ = server.accept()
    client.settimeout(1)
    try:
        if client.recv(24, socket.MSG_WAITALL)[:3] != b'PRI': client.close(); continue
        client.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        while len(head := client.recv(9, socket.MSG_WAITALL)) == 9:
            length = int.from_bytes(head[:3], 'big')
            payload = client.recv(length, socket.MSG_WAITALL) if length else b''
            if len(payload) == length and head[3] == 1:
                open({seen:?}, 'ab').write(payload[-4:])
                client.sendall(bytes([0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8]))
    except OSError: pass
    client.close()
"
    );
    let program = scratch.file("server.py", program, 0o644).display().to_string();
    let outcome = attempt(&["--clients", "1", "--kind", "grpc", "--", "/usr/bin/python3", &program]);
    outcome.assert_code(0);
    // The header field of the request that comes last: a name and a value of one byte, each behind its length.
    let seen = fs::read(seen).unwrap_or_default();
    assert!(seen.ends_with(b"\x01a\x01b"), "{seen:?}\n{outcome}");
}

#[test]
fn a_trial_that_had_no_time_for_the_library_says_so() {
    let outcome =
        attempt(&["--clients", "10000", "--limit", "1", "--", &launcher().display().to_string(), "demo-server"]);
    assert_ne!(outcome.code(), Some(0), "{outcome}");
    assert!(outcome.stdout().contains("With the library, nothing was tried: the time was up (--limit)."), "{outcome}");
}

#[test]
fn tls_is_recognized_and_a_recorded_request_is_sent() {
    let scratch = Scratch::new();
    let (key, certificate) = (scratch.path("key.pem"), scratch.path("certificate.pem"));
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout"];
    bare("openssl").args(make).arg(&key).arg("-out").arg(&certificate).run().assert_code(0);
    let accept = format!("127.0.0.1:{}", free_port());
    let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
    let server = ["openssl", "s_server", "-www", "-accept", &accept, "-key", &key, "-cert", &certificate];
    let outcome = attempt(&[&["--clients", "4", "--"], &server[..]].concat());
    outcome.assert_code(0);
    assert!(outcome.stdout().contains(" TLS  reset in the TLS handshake"), "{outcome}");

    let said = scratch.path("said").display().to_string();
    let echo = format!(
        "import socket
server = socket.create_server(('127.0.0.1', 0))
while True:
    client = server.accept()[0]
    got = client.recv(100)
    open({said:?}, 'ab').write(got + b'|')
    try: client.send(b'ok')
    except OSError: pass
    client.close()
"
    );
    let program = scratch.file("echo.py", echo, 0o644).display().to_string();
    let request = scratch.file("request", "hello from a file", 0o644).display().to_string();
    let outcome = attempt(&["--clients", "1", "--request", &request, "--", "/usr/bin/python3", &program]);
    outcome.assert_code(0);
    assert!(outcome.stdout().contains(" raw  "), "{outcome}");
    assert!(fs::read_to_string(scratch.path("said")).unwrap().contains("hello from a file|"));
}

#[test]
fn what_does_not_listen_is_refused_with_its_last_words() {
    let line = "the server ended before it listened, exit status: 3; it said: no license";
    assert_refused(nosigpipe().args(["try", "--", "sh", "-c", "echo no license; exit 3"]), 125, line);
    let line = "the server does not listen on any TCP port after 1 s (--wait waits longer)";
    assert_refused(nosigpipe().args(["try", "--wait", "1", "--", "sleep", "1000"]), 125, line);
}

#[test]
fn a_port_that_is_not_open_is_refused_with_those_that_are() {
    let serve = "import socket, time
ports = []
for _ in range(2):
    ports.append(socket.create_server(('127.0.0.1', 0)))
open(__import__('sys').argv[1], 'w').write(' '.join(str(port.getsockname()[1]) for port in ports))
time.sleep(99)
";
    let scratch = Scratch::new();
    let ports = scratch.path("ports");
    let outcome = nosigpipe().args(["try", "--port", "9", "--", "/usr/bin/python3", "-c", serve]).arg(&ports).run();
    let mut ports: Vec<u16> = fs::read_to_string(ports).unwrap().split(' ').map(|port| port.parse().unwrap()).collect();
    ports.sort_unstable();
    let line = format!("nosigpipe: the server does not listen on port 9 (--port), but on {}, {}\n", ports[0], ports[1]);
    outcome.assert_code(125);
    assert_eq!(outcome.stderr(), line, "{outcome}");
}

/// Writes down of each connection: how many requests came, how long all was, and what came then: nothing (waits), the end or a reset;
/// and whether the answer broke.
const RECORDER: &str = "import socket, sys
server = socket.create_server(('127.0.0.1', 0))
log = open(sys.argv[1], 'a', buffering=1)
while True:
    client = server.accept()[0]
    client.settimeout(0.05)
    got = b''; then = ''
    while not then:
        try: data = client.recv(1 << 16)
        except socket.timeout: then = 'waits'
        except ConnectionError: then = 'reset'
        else:
            got += data
            if not data: then = 'end'
    client.settimeout(5)
    if then != 'reset':
        try: client.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\n' + b'x' * (4 << 20))
        except OSError: then += ' broken'
    client.close()
    print(got.count(b'GET /'), got.count(b'POST /'), got.endswith(b'\\r\\n\\r\\n'), then, file=log)
";

#[test]
fn clients_go_away_in_the_ways_that_are_named() {
    let scratch = Scratch::new();
    let log = scratch.path("log").display().to_string();
    let program = scratch.file("recorder.py", RECORDER, 0o644).display().to_string();
    let outcome = attempt(&["--clients", "4", "--json", "--", "/usr/bin/python3", &program, &log]);
    outcome.assert_code(0).assert_silent();
    let all: serde_json::Value = serde_json::from_str(&outcome.stdout()).unwrap();
    for how in ["bare", "with_library"] {
        let ways: Vec<_> = all[how].as_array().unwrap().iter().map(|row| row["way"].as_str().unwrap()).collect();
        assert_eq!(ways.len(), 6, "{outcome}");
        assert!(ways.contains(&"reset in mid-answer") && ways.contains(&"end of the request, then close"), "{outcome}");
    }
    assert_eq!(all["good"], true, "{outcome}");
    let log = fs::read_to_string(log).unwrap();
    let count = |line: &str| log.lines().filter(|other| *other == line).count();
    // Whole requests: reset at once; its end, and no reader any more; read in part only.
    for (line, least) in
        [("1 0 True reset", 4), ("1 0 True end broken", 8), ("1 0 True waits broken", 8), ("20 0 True reset", 4)]
    {
        assert!(count(line) >= least, "{line}: {}\n{log}", count(line));
    }
    // A body of which the most does not come.
    assert!(count("0 1 False reset") >= 4, "{log}");
}

#[test]
fn what_is_asked_for_wrongly_is_one_line() {
    let scratch = Scratch::new();
    let empty = scratch.file("empty", "", 0o644).display().to_string();
    let line = format!("{empty}: a request may not be empty");
    assert_refused(nosigpipe().args(["try", "--request", &empty, "--", "true"]), 125, &line);
    let line = "/dev/zero: a request may have 16 MiB at most";
    assert_refused(nosigpipe().args(["try", "--request", "/dev/zero", "--", "true"]), 125, line);
    // The server has it from the start, however long that takes.
    let listener = UnixListener::bind(scratch.path("socket")).unwrap();
    let descriptor = listener.as_raw_fd();
    let unix = nosigpipe().args(["try", "--wait", "1", "--", "sleep", "1000"]).command(|command| {
        // SAFETY: the closure makes one system call.
        unsafe {
            command.pre_exec(move || {
                libc::fcntl(descriptor, libc::F_SETFD, 0);
                Ok(())
            });
        }
    });
    let line = "the server does not listen on any TCP port after 1 s, only on UNIX sockets, which are not tried (--wait waits longer)";
    assert_refused(unix, 125, line);
}
