//! Other ways to go away than by a broken pipe, and servers that look after themselves: nothing changes for them.
#![expect(clippy::expect_used, reason = "what cannot be set up has failed the test")]

use std::path::PathBuf;
use std::time::Duration;

use harness::clients::{Vanish, ask, ask_for, ask_half_closed, body, get, storm};
use harness::{Running, Subject, bare, grpc, preloaded, python_environment, root, server};

const LIMIT: Duration = Duration::from_secs(60);
/// The ways to run a server; bare comes first.
const WAYS: [fn(PathBuf) -> Subject; 3] =
    [|program| bare(program), |program| preloaded(program), |program| preloaded(program).scope("sockets")];

fn start(subject: Subject) -> (Running, u16) {
    let server = subject.start();
    let line = server.wait_for_line("listening on ", LIMIT);
    let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
    (server, port.expect("the line ends with the port"))
}

/// A request with a large body, of which only a part is sent.
fn cut_body() -> Vec<u8> {
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n";
    [head.as_bytes(), &[b'x'; 100_000]].concat()
}

#[test]
fn clients_that_reset_or_leave_in_the_middle_of_a_body_change_nothing() {
    for name in ["evhttp", "evhtp"] {
        for way in WAYS {
            let (server, port) = start(way(server(name)));
            for (request, how) in [
                (cut_body(), Vanish::Reset),
                (cut_body(), Vanish::AtOnce),
                (get("/small"), Vanish::Reset),
                (get("/big"), Vanish::ResetAfter(1)),
                (get("/big"), Vanish::ResetAfter(100_000)),
            ] {
                assert_eq!(storm(port, &request, how, 500), 500, "{how:?}");
            }
            let answer = ask(port, &get("/small")).expect("the server answers");
            assert_eq!(body(&answer), b"small");
            server.terminate().assert_silent_success();
        }
    }
}

#[test]
fn a_client_that_closes_only_one_side_gets_its_answer() {
    let script = |name| root().join("tests/servers").join(name);
    for way in WAYS {
        for (program, name) in [("/usr/bin/perl", "http_daemon.pl"), ("/usr/bin/python3", "http_server.py")] {
            let (server, port) = start(way(program.into()).arg(script(name)));
            for _ in 0..100 {
                let answer = ask_half_closed(port, &get("/small")).expect("the server answers");
                assert_eq!(body(&answer), b"small", "{name}");
            }
            let answer = ask_half_closed(port, &get("/big")).expect("the server answers");
            assert_eq!(body(&answer).len(), 8 << 20, "{name}");
            server.terminate().assert_silent_success();
        }
    }
}

/// gRPC sends with MSG_NOSIGNAL by itself.
#[test]
fn grpc_serves_on_after_ten_thousand_vanishing_clients() {
    let call = grpc::call("/echo.Echo/Echo", &grpc::field(1, &[b'g'; 30_000]));
    for way in WAYS {
        let (server, port) = start(way(server("grpc_echo")));
        let answer = ask_for(port, &call, 30_000).expect("the server answers");
        assert!(answer.ends_with(&[b'g'; 1000]), "the hand-made call is wrong");
        for (how, clients) in [(Vanish::AtOnce, 5000), (Vanish::After(1000), 4000), (Vanish::Reset, 1000)] {
            assert_eq!(storm(port, &call, how, clients), clients, "{how:?}");
        }
        let client = bare(python_environment().join("bin/python"))
            .arg(root().join("tests/servers/grpc_client.py"))
            .arg(port.to_string())
            .run();
        client.assert_silent_success().assert_stdout("right\n");
        server.terminate().assert_silent_success();
    }
}
