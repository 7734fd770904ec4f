//! Real servers that a vanishing client kills, and what becomes of them under the library.
//!
//! For each server in the table: it dies bare, by SIGPIPE; it survives ten thousand vanishing clients in either scope,
//! answers correctly afterwards, ends in order, and the counters say how many broken pipes there were: as many as
//! strace sees.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what cannot be set up has failed the test"
)]

#[path = "servers/table.rs"]
mod table;

use std::fs;
use std::time::Duration;

use harness::clients::{Vanish, storm};
use harness::{Outcome, Running, SIGPIPE, Subject, bare, broken_pipes, preloaded, program, status};
use table::{Client, Server};

const CLIENTS: usize = 10_000;
const LIMIT: Duration = Duration::from_secs(120);

macro_rules! servers {
    ($($name:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn dies_bare() {
                table::$name().dies_bare();
            }

            #[test]
            fn survives_ten_thousand_vanishing_clients_in_scope_process() {
                table::$name().survives("process");
            }

            #[test]
            fn survives_ten_thousand_vanishing_clients_in_scope_sockets() {
                table::$name().survives("sockets");
            }

            #[test]
            fn survives_without_any_setting() {
                table::$name().survives_without_any_setting();
            }

            #[test]
            fn has_as_many_broken_pipes_as_strace_sees() {
                table::$name().counts_what_strace_sees();
            }
        }
    )*};
}

servers! {
    evhttp_small;
    evhttp_big;
    evhttp_file;
    evhtp_small;
    evhtp_big;
    evhtp_file;
    perl_http_daemon;
    python_http_server;
    aiohttp_files;
    ruby_webrick;
    ocaml_unix;
    gsoap;
    thrift_tls;
}

/// What is no TLS at all, and a greeting that is cut off: the server's alert meets a broken pipe.
#[test]
fn tls_clients_may_leave_in_the_middle_of_the_handshake() {
    let thrift = table::thrift_tls();
    let greeting = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[0; 100]].concat();
    for scope in ["process", "sockets"] {
        let (server, port) = thrift.start(thrift.subject(preloaded).scope(scope).log("summary"));
        for request in [&b"GET / HTTP/1.0\r\n\r\n"[..], &greeting] {
            for how in [Vanish::AtOnce, Vanish::Reset] {
                assert_eq!(storm(port, request, how, 500), 500);
            }
        }
        (thrift.answers)(port);
        assert!(summary(&server.terminate()) > 0, "no broken pipe at all");
    }
}

impl Server {
    fn start(&self, subject: Subject) -> (Running, u16) {
        let server = subject.start();
        let line = server.wait_for_line("listening on ", LIMIT);
        let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
        (server, port.unwrap_or_else(|| panic!("no port in {line:?}")))
    }

    /// So many clients, all of whom must find the server there.
    fn storm(&self, port: u16, clients: usize) {
        assert_eq!(self.storm_until_it_dies(port, clients), clients, "clients that found {} there", self.name);
    }

    fn storm_until_it_dies(&self, port: u16, clients: usize) -> usize {
        match &self.client {
            Client::Plain(request, how) => storm(port, request, *how, clients),
            Client::Tls(request, length) => {
                let arguments = [port.to_string(), clients.to_string(), length.to_string()];
                let outcome = bare(program("vanish_tls")).args(arguments).stdin(&request[..]).limit(LIMIT).run();
                outcome.stdout().trim().parse().expect("vanish_tls prints a number")
            }
        }
    }

    fn dies_bare(&self) {
        let (server, port) = self.start(self.subject(bare));
        (self.answers)(port);
        self.storm_until_it_dies(port, 1000);
        server.wait(LIMIT).assert_killed_by(SIGPIPE);
    }

    fn survives(&self, scope: &str) {
        // In scope `process` the kernel ignores SIGPIPE and the calls without a flag argument are only counted if
        // that is asked for.
        let (server, port) = self.start(self.subject(preloaded).scope(scope).log("summary"));
        assert_eq!(status(server.pid())["scope"], scope);
        self.storm(port, CLIENTS);
        (self.answers)(port);
        let counted = broken_pipes(server.pid());
        let survived = summary(&server.terminate());
        assert!(survived >= counted, "{survived} in the end, {counted} before");
        let least = (CLIENTS as f64 * self.broken_pipes_per_client) as u64;
        assert!(survived >= least, "{survived} broken pipes counted, of {least} at least");
    }

    fn survives_without_any_setting(&self) {
        let (server, port) = self.start(self.subject(preloaded));
        assert_eq!(status(server.pid())["kernel"]["sigpipe"], self.kernel_has);
        self.storm(port, 500);
        (self.answers)(port);
        server.terminate().assert_silent_success();
    }

    fn counts_what_strace_sees(&self) {
        let log = tempfile(&format!("strace-{}", self.name));
        let strace = |program: &std::path::Path| {
            let calls = "trace=write,writev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice";
            // -D: the server, not strace, is our child.
            let subject = bare("strace").args(["-D", "-f", "-qq", "-e", calls, "-e", "signal=SIGPIPE", "-o"]).arg(&log);
            subject.arg("-E").arg(format!("LD_PRELOAD={}", harness::library().display())).arg(program)
        };
        let (server, port) = self.start(self.subject(strace).scope("sockets").log("summary"));
        self.storm(port, 200);
        (self.answers)(port);
        let survived = summary(&server.terminate());
        let trace = fs::read_to_string(&log).expect("strace writes its log");
        // One signal for each broken pipe, but none where the call said MSG_NOSIGNAL. EPIPE alone would not do: a
        // sendfile that breaks off in the middle returns how much it has sent, and raises the signal all the same.
        let is_broken_pipe = |line: &&str| {
            line.contains("--- SIGPIPE")
                || (line.contains("send") && line.contains(" EPIPE ") && !line.contains("sendfile"))
        };
        let seen = trace.lines().filter(is_broken_pipe).count() as u64;
        assert_eq!(survived, seen, "broken pipes counted, and seen by strace, in {}", log.display());
        assert!(seen > 0, "no broken pipe at all");
    }
}

/// The number in the line that NOSIGPIPE_LOG=summary has at the end, which must be all that was printed.
fn summary(outcome: &Outcome) -> u64 {
    outcome.assert_code(0);
    let stderr = outcome.stderr();
    let number = stderr.strip_prefix("nosigpipe: ").and_then(|rest| rest.split_once(" broken pipes survived"));
    assert_eq!(stderr.lines().count(), 1, "{outcome}");
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or_else(|| panic!("no summary\n{outcome}"))
}

/// A file for one test, in cargo's directory for that.
fn tempfile(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
