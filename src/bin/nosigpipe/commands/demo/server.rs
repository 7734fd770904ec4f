//! The demo's server: it answers HTTP in the simplest way, one client after the other by write(2), and does nothing
//! about SIGPIPE.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;

use clap::{ArgMatches, Command};

use crate::exit::{Failure, OK};
use crate::output;

/// The name of the command that runs it.
pub const NAME: &str = "demo-server";
/// The request that ends it.
pub const QUIT: &str = "GET /quit HTTP/1.0\r\n\r\n";
/// The request that makes it crash.
pub const CRASH: &str = "GET /crash HTTP/1.0\r\n\r\n";
/// Its answer to every request.
pub const ANSWER: &str = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nstill here\n";

pub fn command() -> Command {
    Command::new(NAME).about("The server that demo starts").hide(true)
}

pub fn run(_: &ArgMatches) -> Result<u8, Failure> {
    let fail = |error| Failure::about("demo server", &error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fail)?;
    output::write(&format!("{}\n", listener.local_addr().map_err(fail)?.port()))?;
    while has_starter(&listener) {
        // std's `accept` also asks for the client's address, and on macOS it fails where the client has gone and has no
        // address any more.
        // SAFETY: null pointers mean that the client's address is not wanted.
        let client = unsafe { libc::accept(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut()) };
        if client < 0 {
            continue;
        }
        // SAFETY: a new descriptor that nobody else has. It becomes a `File`, since std's `TcpStream` would send with
        // MSG_NOSIGNAL, which most servers do not.
        let request = serve(unsafe { File::from_raw_fd(client) });
        if request == QUIT.as_bytes() {
            return Ok(OK);
        }
        if request == CRASH.as_bytes() {
            demo_server_looks_up_session(ptr::null());
        }
    }
    Ok(OK)
}

/// Waits for a client (true), or for the end of the process that has started this one (false). Standard input is a pipe
/// from that process: when it ends, however that is, the pipe is closed.
fn has_starter(listener: &TcpListener) -> bool {
    let mut both = [
        libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        // POLLHUP is reported whether asked for or not, but macOS skips a descriptor for which nothing is asked.
        libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLHUP, revents: 0 },
    ];
    loop {
        // SAFETY: the pointer is to an array of two, which is the number that is given.
        unsafe { libc::poll(both.as_mut_ptr(), 2, -1) };
        let [client, starter] = &both;
        if starter.revents & libc::POLLHUP != 0 {
            return false;
        }
        // Standard input may be something else than a pipe, with an error to report at once each time. So that this is
        // no endless loop, the caller goes on and waits for a client in accept(2).
        if client.revents != 0 || starter.revents != 0 {
            return true;
        }
    }
}

/// Answers one client and returns its request.
fn serve(mut client: File) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => request.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
    // A naive server ignores the result of its writes, too.
    let _ = client.write_all(ANSWER.as_bytes());
    request
}

/// The mistake: it reads near the null pointer. The function is exported so that the report has its name, though the
/// launcher is stripped.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn demo_server_looks_up_session(session: *const u64) -> u64 {
    // SAFETY: none; this is the crash that was asked for.
    unsafe { session.wrapping_add(3).read_volatile() }
}
