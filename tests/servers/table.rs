//! The servers: what they are, which client kills them, and what they answer to one that stays.
//!
//! | server | language | the call that dies |
//! |---|---|---|
//! | libevent's evhttp | C | writev, sendfile |
//! | libevhtp, SIGPIPE put back to its default | C | writev, sendfile |
//! | HTTP::Daemon | Perl | write |
//! | http.server, SIGPIPE put back | Python | send |
//! | aiohttp's static files, SIGPIPE put back | Python | sendfile |
//! | WEBrick, SIGPIPE put back | Ruby | write |
//! | Unix.write | OCaml | write |
//! | gSOAP's stand-alone server | C | send |
//! | Thrift's threaded server over TLS | C++ | SSL_write |

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use harness::clients::{Vanish, ask, body, get};
use harness::{Subject, bare, program, python_environment, root, server};

pub struct Server {
    pub name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    pub client: Client,
    /// Asks as a client that stays, and asserts that the answer is right.
    pub answers: fn(port: u16),
    /// How many there are at least: with all the load that the test machine may have, by which a server sometimes wins
    /// against a client that is about to go. That the numbers are exact is for strace to say.
    pub broken_pipes_per_client: f64,
    /// What the kernel has for SIGPIPE in scope `process`, in the words of `nosigpipe status`: `handler` where the
    /// program has put the signal back.
    pub kernel_has: &'static str,
}

pub enum Client {
    /// The request, and when to vanish.
    Plain(Vec<u8>, Vanish),
    /// Over TLS: the request, and how much of the answer to read.
    Tls(Vec<u8>, usize),
}

impl Server {
    /// The server, run by `run`.
    pub fn subject<'a>(&'a self, run: impl FnOnce(&'a Path) -> Subject) -> Subject {
        run(&self.program).args(&self.arguments)
    }
}

const BIG: usize = 8 << 20;
const FILE: usize = 16 << 20;

pub fn evhttp_small() -> Server {
    evhttp("evhttp_small", get("/small"), Vanish::AtOnce, small)
}

pub fn evhttp_big() -> Server {
    evhttp("evhttp_big", get("/big"), Vanish::After(1), big)
}

pub fn evhttp_file() -> Server {
    evhttp("evhttp_file", get(&file_path()), Vanish::After(1), file)
}

fn evhttp(name: &'static str, request: Vec<u8>, how: Vanish, answers: fn(u16)) -> Server {
    Server {
        name,
        program: server("evhttp"),
        arguments: vec![],
        client: Client::Plain(request, how),
        answers,
        broken_pipes_per_client: 0.5,
        kernel_has: "ignore",
    }
}

pub fn evhtp_small() -> Server {
    // It reads before it writes, and mostly sees the FIN in time.
    Server { broken_pipes_per_client: 0.01, ..evhtp("evhtp_small", get("/small"), Vanish::AtOnce, small) }
}

pub fn evhtp_big() -> Server {
    evhtp("evhtp_big", get("/big"), Vanish::After(1), big)
}

pub fn evhtp_file() -> Server {
    evhtp("evhtp_file", get(&file_path()), Vanish::After(1), file)
}

fn evhtp(name: &'static str, request: Vec<u8>, how: Vanish, answers: fn(u16)) -> Server {
    Server {
        name,
        program: server("evhtp"),
        arguments: vec!["default".into()],
        kernel_has: "handler",
        ..evhttp(name, request, how, answers)
    }
}

pub fn perl_http_daemon() -> Server {
    Server {
        name: "perl_http_daemon",
        program: "perl".into(),
        arguments: vec![script("http_daemon.pl")],
        client: Client::Plain(get("/small"), Vanish::AtOnce),
        answers: small_and_big,
        broken_pipes_per_client: 0.5,
        kernel_has: "ignore",
    }
}

pub fn python_http_server() -> Server {
    Server {
        name: "python_http_server",
        program: "/usr/bin/python3".into(),
        arguments: vec![script("http_server.py")],
        kernel_has: "handler",
        ..perl_http_daemon()
    }
}

pub fn aiohttp_files() -> Server {
    Server {
        name: "aiohttp_files",
        program: python_environment().join("bin/python"),
        arguments: vec![
            script("aiohttp_files.py"),
            file_of_zeroes().parent().expect("a file is in a directory").into(),
        ],
        client: Client::Plain(get("/files/zeroes"), Vanish::After(1)),
        answers: |port| zeroes(port, "/files/zeroes"),
        broken_pipes_per_client: 0.5,
        kernel_has: "handler",
    }
}

pub fn ruby_webrick() -> Server {
    Server {
        name: "ruby_webrick",
        program: "ruby".into(),
        arguments: vec![script("webrick.rb")],
        client: Client::Plain(get("/big"), Vanish::After(1)),
        answers: small_and_big,
        broken_pipes_per_client: 0.5,
        kernel_has: "handler",
    }
}

pub fn ocaml_unix() -> Server {
    Server {
        name: "ocaml_unix",
        program: "ocaml".into(),
        arguments: vec!["-I".into(), "+unix".into(), "unix.cma".into(), script("server.ml")],
        ..perl_http_daemon()
    }
}

pub fn gsoap() -> Server {
    Server {
        name: "gsoap",
        program: server("gsoap_echo"),
        arguments: vec![],
        client: Client::Plain(soap_request("hello"), Vanish::AtOnce),
        answers: |port| {
            let answer = ask(port, &soap_request("hello")).expect("gSOAP answers");
            let answer = String::from_utf8_lossy(body(&answer)).into_owned();
            assert!(answer.contains("<result>hello</result>"), "{answer}");
        },
        ..perl_http_daemon()
    }
}

pub fn thrift_tls() -> Server {
    const LENGTH: usize = 100_000;
    let tls = tls_directory();
    Server {
        name: "thrift_tls",
        program: server("thrift_tls"),
        arguments: vec![tls.join("cert.pem").into(), tls.join("key.pem").into()],
        client: Client::Tls(thrift_call(LENGTH), 0),
        answers: |port| {
            let arguments = [port.to_string(), "stay".into(), (LENGTH + 31).to_string()];
            let answer = bare(program("vanish_tls")).args(arguments).stdin(thrift_call(LENGTH)).run();
            answer.assert_silent_success();
            // Version and kind "reply", the name, the sequence number, field 0, a string, its length, the stop.
            let mut expected = b"\x80\x01\x00\x02\x00\x00\x00\x04echo\x00\x00\x00\x01\x0b\x00\x00".to_vec();
            expected.extend((LENGTH as u32).to_be_bytes());
            expected.resize(expected.len() + LENGTH, b't');
            expected.push(0);
            assert!(answer.stdout == expected, "Thrift answers wrongly");
        },
        broken_pipes_per_client: 0.5,
        kernel_has: "ignore",
    }
}

fn small(port: u16) {
    let answer = ask(port, &get("/small")).expect("the server answers");
    assert_eq!(String::from_utf8_lossy(body(&answer)), "small");
}

fn big(port: u16) {
    let answer = ask(port, &get("/big")).expect("the server answers");
    let body = body(&answer);
    assert!(body.len() == BIG && body.iter().all(|byte| *byte == b'b'), "/big is not what it should be");
}

fn small_and_big(port: u16) {
    small(port);
    big(port);
}

fn file(port: u16) {
    zeroes(port, &file_path());
}

fn zeroes(port: u16, path: &str) {
    let answer = ask(port, &get(path)).expect("the server answers");
    let body = body(&answer);
    assert!(body.len() == FILE && body.iter().all(|byte| *byte == 0), "the file is not what it should be");
}

fn file_path() -> String {
    format!("/file?{}", file_of_zeroes().display())
}

/// Larger than what the kernel buffers for a client that doesn't read.
fn file_of_zeroes() -> &'static Path {
    static FILE_OF_ZEROES: OnceLock<PathBuf> = OnceLock::new();
    FILE_OF_ZEROES.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("files");
        fs::create_dir_all(&directory).expect("a directory for the file");
        fs::write(directory.join("zeroes"), vec![0; FILE]).expect("a file to send");
        directory.join("zeroes")
    })
}

fn script(name: &str) -> OsString {
    root().join("tests/servers").join(name).into()
}

fn soap_request(text: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\"?><SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:ns=\"urn:echo\"><SOAP-ENV:Body><ns:echo><text>{text}</text></ns:echo></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    );
    let length = body.len();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=utf-8\r\nConnection: close\r\n";
    format!("{head}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// A call of `echo` with so many bytes, in Thrift's strict binary protocol.
fn thrift_call(length: usize) -> Vec<u8> {
    let mut call = b"\x80\x01\x00\x01\x00\x00\x00\x04echo\x00\x00\x00\x01\x0b\x00\x01".to_vec();
    call.extend((length as u32).to_be_bytes());
    call.resize(call.len() + length, b't');
    call.push(0);
    call
}

/// A directory with a certificate and its key, made anew for this run.
fn tls_directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tls");
        fs::create_dir_all(&directory).expect("a directory for the certificate");
        let curve = "ec_paramgen_curve:prime256v1";
        let made = bare("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                curve,
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
            ])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(&directory)
            .run();
        made.assert_code(0);
        directory
    })
}
