//! Clients that go away, in each of the ways in which clients do.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::platform::family::Listener;

/// The protocol that a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    Grpc,
    Tls,
    Raw,
}

impl Kind {
    /// Its name, for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Grpc => "gRPC",
            Self::Tls => "TLS",
            Self::Raw => "raw",
        }
    }
}

/// How a client goes away.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A whole request, and at once a reset.
    Reset,
    /// A whole request, the end of the stream (FIN), and a reset. The server can read the request, and its first write
    /// fails with EPIPE. After a reset alone, Linux reports ECONNRESET first, which raises no signal (tcp_reset in its
    /// net/ipv4/tcp_input.c).
    FinThenReset,
    /// A whole request and the end of the stream; the client waits for the answer for a moment, and closes without
    /// having read it.
    HalfClose,
    /// A part of a request, and a reset.
    MidRequest,
    /// A whole request, the first bytes of an answer, and a reset.
    MidAnswer,
    /// Many requests at once, and a reset.
    Pipelined,
    /// The beginning of a TLS handshake, and a reset.
    TlsAbort,
}

impl Way {
    /// What the client does, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Reset => "reset after the request",
            Self::FinThenReset => "end of the request, then reset",
            Self::HalfClose => "end of the request, then close",
            Self::MidRequest => "reset in mid-request",
            Self::MidAnswer => "reset in mid-answer",
            Self::Pipelined => "many requests, then reset",
            Self::TlsAbort => "reset in the TLS handshake",
        }
    }

    /// The ways that make sense for a protocol.
    pub fn all(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Tls => &[Self::TlsAbort, Self::FinThenReset],
            _ => {
                &[Self::FinThenReset, Self::Reset, Self::HalfClose, Self::MidRequest, Self::MidAnswer, Self::Pipelined]
            }
        }
    }
}

/// How long a client waits for each step of a server, which is on this machine.
const CLIENT_TIMEOUT: Duration = Duration::from_millis(1500);
/// A client stops reading an answer after so many bytes.
const ENOUGH: usize = 1 << 16;

/// HTTP/2's connection preface with an empty SETTINGS frame (RFC 9113), and a request for a method of no service:
/// HEADERS on stream 1 with the end of the stream, and in HPACK (RFC 7541) POST, http, /x, localhost, content-type
/// application/grpc, te trailers, a b.
const GRPC: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\
    \x00\x00\x36\x01\x05\x00\x00\x00\x01\
    \x83\x86\x04\x02/x\x01\x09localhost\x0f\x10\x10application/grpc\x40\x02te\x08trailers\x00\x01a\x01b";

/// A ClientHello (RFC 5246, RFC 8446) with cipher suites, groups and signature algorithms that servers have.
fn client_hello() -> Vec<u8> {
    let suites: &[u8] =
        &[0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0x00, 0x9c, 0x00, 0x2f];
    let groups: &[u8] = &[0x00, 0x0a, 0x00, 0x06, 0x00, 0x04, 0x00, 0x17, 0x00, 0x18];
    let points: &[u8] = &[0x00, 0x0b, 0x00, 0x02, 0x01, 0x00];
    let signatures: &[u8] =
        &[0x00, 0x0d, 0x00, 0x0c, 0x00, 0x0a, 0x04, 0x03, 0x08, 0x04, 0x04, 0x01, 0x05, 0x01, 0x02, 0x01];
    let extensions = [groups, points, signatures].concat();
    let mut body = vec![0x03, 0x03];
    body.extend([0x5a; 32]);
    body.push(0);
    body.extend((suites.len() as u16).to_be_bytes());
    body.extend(suites);
    body.extend([1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend((body.len() as u16).to_be_bytes());
    handshake.extend(body);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend((handshake.len() as u16).to_be_bytes());
    record.extend(handshake);
    record
}

/// An address to connect to, and the request that clients send there.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub kind: Kind,
    /// What clients send.
    request: Vec<u8>,
    /// The beginning of the answer to a client that stayed, before any had gone away; later answers are compared with
    /// it.
    answer: Vec<u8>,
}

impl Target {
    /// The address by which a client on this machine reaches a listener; `None` if the listener is not on loopback.
    pub fn address(listener: &Listener) -> Option<SocketAddr> {
        let ip = match listener.address {
            IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            address if address.is_loopback() => address,
            _ => return None,
        };
        Some(SocketAddr::new(ip, listener.port))
    }

    /// Finds out which protocol a server speaks, by its answers to a client that stays. `said` is the protocol if the
    /// user has named it, and `recorded` a request to send in place of ours.
    ///
    /// # Errors
    /// When nobody can connect there.
    pub fn probe(address: SocketAddr, said: Option<Kind>, recorded: Option<&[u8]>) -> io::Result<Self> {
        let http = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").into_bytes();
        let raw = b"\r\n".to_vec();
        let kinds = [(Kind::Http, http), (Kind::Grpc, GRPC.to_vec()), (Kind::Tls, client_hello()), (Kind::Raw, raw)];
        for (kind, request) in kinds {
            let is_meant = match (said, recorded) {
                (Some(said), _) => kind == said,
                // Which protocol a recorded request is of is not known, so it is compared as raw bytes.
                (None, Some(_)) => kind == Kind::Raw,
                (None, None) => true,
            };
            if !is_meant {
                continue;
            }
            let request = recorded.map_or(request, <[u8]>::to_vec);
            let answer = ask(address, &request)?;
            let fits = match kind {
                Kind::Http => answer.starts_with(b"HTTP/"),
                // A server answers the preface by a SETTINGS frame: nine bytes at least, and its type, 4, in the
                // fourth.
                Kind::Grpc => answer.get(3) == Some(&4) && answer.len() >= 9,
                // An alert or a handshake record, and the major version of TLS.
                Kind::Tls => matches!(answer.first_chunk(), Some([0x15 | 0x16, 3])),
                Kind::Raw => true,
            };
            if fits || said.is_some() {
                return Ok(Self { address, kind, answer: beginning(kind, &answer), request });
            }
        }
        Err(io::Error::other("nothing was asked"))
    }

    /// Whether a client that stays gets the answer that it got before.
    pub fn answers(&self) -> bool {
        ask(self.address, &self.request).is_ok_and(|answer| beginning(self.kind, &answer) == self.answer)
    }

    /// A client that has sent half of its request. A server that serves one client after the other waits for the rest
    /// of it, so that clients that vanish meanwhile are certainly gone when the server comes to them. `None` where the
    /// way does not allow that, or it fails.
    pub fn keep_busy(&self, way: Way) -> Option<Slow> {
        // In the other ways the client waits for the server, or the server for the rest of the request.
        if !matches!(way, Way::Reset | Way::FinThenReset | Way::Pipelined) {
            return None;
        }
        let mut client = connect(self.address).ok()?;
        let (first, rest) = self.request.split_at_checked(self.request.len() / 2)?;
        client.write_all(first).ok()?;
        Some(Slow { client, rest: rest.to_vec() })
    }

    /// Connects a client, which goes away in this way.
    ///
    /// # Errors
    /// When the server does not accept it, or is gone before the client is.
    pub fn vanish(&self, way: Way) -> io::Result<()> {
        let mut client = connect(self.address)?;
        match way {
            Way::Reset | Way::TlsAbort => client.write_all(&self.request)?,
            Way::FinThenReset => {
                client.write_all(&self.request)?;
                client.shutdown(Shutdown::Write)?;
            }
            Way::HalfClose => {
                client.write_all(&self.request)?;
                client.shutdown(Shutdown::Write)?;
                client.set_read_timeout(Some(Duration::from_millis(5)))?;
                // Until the answer has come or the time is up. The answer stays unread in the socket.
                let _ = client.peek(&mut [0]);
                return Ok(());
            }
            Way::MidRequest => {
                let half = if self.kind == Kind::Http {
                    let body = "x".repeat(512);
                    format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 100000\r\n\r\n{body}", self.address)
                        .into_bytes()
                } else {
                    self.request.get(..self.request.len().div_ceil(2)).unwrap_or_default().to_vec()
                };
                client.write_all(&half)?;
            }
            Way::MidAnswer => {
                client.write_all(&self.request)?;
                client.set_read_timeout(Some(Duration::from_millis(200)))?;
                let _ = client.read(&mut [0; 16]);
            }
            Way::Pipelined => {
                let request = if self.kind == Kind::Http {
                    format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).into_bytes()
                } else {
                    self.request.clone()
                };
                client.write_all(&request.repeat(if self.kind == Kind::Grpc { 1 } else { 20 }))?;
            }
        }
        reset(&client)
    }
}

/// A client that has sent half of its request. When it is dropped, it sends the rest, takes the answer and closes.
pub struct Slow {
    client: TcpStream,
    /// The second half of the request.
    rest: Vec<u8>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        // Failures don't matter: this client was only to keep the server busy.
        let _ = self.client.write_all(&self.rest);
        let _ = self.client.set_read_timeout(Some(Duration::from_millis(200)));
        let _ = self.client.read(&mut [0; 4096]);
        let _ = reset(&self.client);
    }
}

/// The part of an answer that is the same each time.
fn beginning(kind: Kind, answer: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Http => answer.split(|&byte| byte == b'\r').next().unwrap_or_default().to_vec(),
        Kind::Grpc => answer.get(3..5).unwrap_or_default().to_vec(),
        Kind::Tls => answer.get(..2).unwrap_or_default().to_vec(),
        // A greeting may have a time or a number in it behind its first word.
        Kind::Raw => answer.iter().copied().take_while(u8::is_ascii_graphic).take(3).collect(),
    }
}

/// Connects, with time limits for all that the client does.
fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let client = TcpStream::connect_timeout(&address, CLIENT_TIMEOUT)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(CLIENT_TIMEOUT))?;
    client.set_write_timeout(Some(CLIENT_TIMEOUT))?;
    Ok(client)
}

/// The answer to a request: what comes before the first pause, up to about `ENOUGH` bytes.
fn ask(address: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut client = connect(address)?;
    // If this fails, there may be something to read all the same: a server that speaks first may have closed already.
    let _ = client.write_all(request);
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < ENOUGH {
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
        // Only the first bytes may take long; the rest has to come without a pause.
        client.set_read_timeout(Some(Duration::from_millis(100)))?;
    }
    // A reset leaves no connection in TIME_WAIT, which would keep a port of this machine in use.
    reset(&client)?;
    Ok(answer)
}

/// Has the connection end by a reset when it is closed: SO_LINGER with zero seconds (socket(7)).
fn reset(client: &TcpStream) -> io::Result<()> {
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
