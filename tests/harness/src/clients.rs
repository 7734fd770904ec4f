//! Clients that go away.
//!
//! How a broken pipe is made, on Linux. A client that only resets (SO_LINGER {1, 0} and close) gives the
//! server ECONNRESET at its next call, once, and no signal: many a server closes the connection on that and
//! never gets to the second write, which would raise SIGPIPE. A client that shuts down its sending side first
//! (a FIN) and resets then leaves EPIPE behind: a reset in the state CLOSE_WAIT means "broken pipe" to the kernel.
//! The request is still read, the FIN is an end of file and no error, and the *first* write raises SIGPIPE. FIN and
//! RST may both be there before the server has even accepted.
//!
//! Only a server that writes between the request and the RST does not get the signal. So the request is corked
//! (TCP_CORK) and leaves in one segment with the FIN, and all that is left to do then is close.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use libc::c_int;

/// When a client goes away, after it has sent its request.
#[derive(Clone, Copy, Debug)]
pub enum Vanish {
    /// FIN, then RST, at once.
    AtOnce,
    /// FIN, then RST, as soon as this much of the answer was read: the server is in the middle of sending.
    After(usize),
    /// Only RST. The server's first call fails with ECONNRESET, a second write would raise SIGPIPE.
    Reset,
    /// Only RST, as soon as this much of the answer was read.
    ResetAfter(usize),
}

/// Sends the request and goes away. An error means that the server could not be reached. Later errors are not returned:
/// the connection is meant to break.
pub fn vanish(port: u16, request: &[u8], how: Vanish) -> std::io::Result<()> {
    let mut stream = connect(port)?;
    match how {
        Vanish::AtOnce => {
            set_option::<c_int>(&stream, libc::IPPROTO_TCP, CORK, &1);
            reset_on_close(&stream);
            send(&mut stream, request);
            let _ = stream.shutdown(Shutdown::Write);
        }
        Vanish::After(length) => {
            reset_on_close(&stream);
            send(&mut stream, request);
            read_at_most(&mut stream, length);
            let _ = stream.shutdown(Shutdown::Write);
        }
        Vanish::Reset => {
            reset_on_close(&stream);
            send(&mut stream, request);
        }
        Vanish::ResetAfter(length) => {
            reset_on_close(&stream);
            send(&mut stream, request);
            read_at_most(&mut stream, length);
        }
    }
    Ok(())
}

/// `clients` clients, eight at a time, all of which vanish. Returns how many could connect: fewer than `clients` if the
/// server died. After the first one that can't connect no more are started.
pub fn storm(port: u16, request: &[u8], how: Vanish, clients: usize) -> usize {
    storm_by(clients, |_| vanish(port, request, how).is_ok())
}

/// Calls `client` with 0 to `clients` - 1, eight at a time, until a call returns false. Returns how many have returned
/// true.
pub fn storm_by(clients: usize, client: impl Fn(usize) -> bool + Sync) -> usize {
    let (next, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= clients {
                        break;
                    }
                    if !client(number) {
                        next.store(clients, Ordering::Relaxed);
                        break;
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    served.into_inner()
}

/// A client that stays: sends the request and reads the answer up to its end, the server's close.
pub fn ask(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(port)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// The same with a server that keeps the connection open: reads `length` bytes of the answer.
pub fn ask_for(port: u16, request: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(port)?;
    stream.write_all(request)?;
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// A client that shuts down its sending side and reads the answer up to its end.
pub fn ask_half_closed(port: u16, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = connect(port)?;
    stream.write_all(request)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// `GET path`, asking the server to close afterwards.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The body of an HTTP answer with status 200, by its Content-Length or to its end.
#[track_caller]
pub fn body(answer: &[u8]) -> &[u8] {
    let text = String::from_utf8_lossy(answer);
    let split =
        answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text}"));
    let (head, body) = (&text[..split], &answer[split + 4..]);
    assert!(head.split(' ').nth(1) == Some("200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|value| value.trim().parse()));
    let length: usize = length.map_or(body.len(), |value| value.expect("a length is a number"));
    assert_eq!(body.len(), length, "{head}");
    body
}

fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    // So that a server that hangs makes a test fail, and not wait for ever.
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_write_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

fn read_at_most(stream: &mut TcpStream, mut length: usize) {
    let mut buffer = [0; 65536];
    while length > 0 {
        let part = length.min(buffer.len());
        match stream.read(&mut buffer[..part]) {
            Ok(0) => break,
            Ok(read) => length -= read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// The server may have answered and closed before it had read all (a body that it didn't want): no error of ours.
fn send(stream: &mut TcpStream, request: &[u8]) {
    let _ = stream.write_all(request);
}

/// close() sends a RST instead of waiting for what was not sent or read yet.
fn reset_on_close(stream: &TcpStream) {
    set_option(stream, libc::SOL_SOCKET, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 });
}

#[cfg(target_os = "linux")]
const CORK: c_int = libc::TCP_CORK;
#[cfg(not(target_os = "linux"))]
const CORK: c_int = libc::TCP_NOPUSH;

fn set_option<T>(stream: &TcpStream, level: c_int, name: c_int, value: &T) {
    // SAFETY: the descriptor is the stream's and open; the value is read only, with its own size, and the kernel
    // refuses one that is too short for the option.
    let set = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            level,
            name,
            ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    // macOS refuses to set options on a socket whose peer has closed already. Then there is nothing left to break.
    assert!(set == 0 || cfg!(not(target_os = "linux")), "{}", std::io::Error::last_os_error());
}
