//! The demo's server: the least that answers HTTP, and as naive as a server can be. It is single-threaded, answers by
//! plain write(2) and has never heard of SIGPIPE.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr;

use clap::{ArgMatches, Command};

use crate::exit::{Failure, OK};
use crate::output;

/// Name of the command.
pub const NAME: &str = "demo-server";
/// Request that ends it.
pub const QUIT: &str = "GET /quit HTTP/1.0\r\n\r\n";
/// Request that finds a mistake in it.
pub const CRASH: &str = "GET /crash HTTP/1.0\r\n\r\n";
/// What it answers.
pub const ANSWER: &str = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nstill here\n";

pub fn command() -> Command {
    Command::new(NAME).about("The server that demo starts").hide(true)
}

pub fn run(_: &ArgMatches) -> Result<u8, Failure> {
    let fail = |error| Failure::about("demo server", &error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fail)?;
    output::write(&format!("{}\n", listener.local_addr().map_err(fail)?.port()))?;
    while has_starter(&listener) {
        // Not by std, which asks for the client's address and fails where a client that has gone has none any more, as on
        // macOS.
        // SAFETY: an address of null means that none is wanted.
        let client = unsafe { libc::accept(listener.as_raw_fd(), ptr::null_mut(), ptr::null_mut()) };
        if client < 0 {
            continue;
        }
        // SAFETY: a new descriptor, which is nobody else's. As a file: std's TcpStream would send with MSG_NOSIGNAL, and most
        // of the world's servers do not.
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

/// Waits for a client, or for the end of who has started this: however that has ended, nobody writes to standard input any more, if
/// that is a pipe. False then.
fn has_starter(listener: &TcpListener) -> bool {
    let mut both = [
        libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        // The end of a pipe is told in any case. macOS takes a descriptor for which nothing is asked for none.
        libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLHUP, revents: 0 },
    ];
    loop {
        // SAFETY: an array of two, which is ours.
        unsafe { libc::poll(both.as_mut_ptr(), 2, -1) };
        let [client, starter] = &both;
        if starter.revents & libc::POLLHUP != 0 {
            return false;
        }
        // What else there is to say of standard input is said again and again, and is not waited for.
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
    // A naive server does not look at this result either.
    let _ = client.write_all(ANSWER.as_bytes());
    request
}

/// The mistake. Its name is exported, since the launcher is stripped and a report is to show it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn demo_server_looks_up_session(session: *const u64) -> u64 {
    // SAFETY: none. This is the crash that was asked for.
    unsafe { session.wrapping_add(3).read_volatile() }
}
