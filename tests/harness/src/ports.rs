//! Ports for servers that can't choose one themselves.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Running;

/// A port of 127.0.0.1 that nobody listens on, from 10000 to 29999. That is below the ephemeral ports (32768 and up on
/// Linux): the tests have thousands of clients, and one of them could get an ephemeral port as its own before the
/// server binds to it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 197) as u16 * 100;
    (0..20_000)
        .map(|_| 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Waits until the server accepts connections on the port, by trying to connect: a server that prints nothing when it
/// is ready can only be awaited so. For one that does print something, [`Running::wait_for_line`] is better.
pub fn wait_for_port(server: &Running, port: u16, limit: Duration) {
    let deadline = Instant::now() + limit;
    while let Err(error) = TcpStream::connect(("127.0.0.1", port)) {
        assert!(server.is_alive(), "the server ended before it listened:\n{}{}", server.stdout(), server.stderr());
        assert!(
            Instant::now() < deadline,
            "port {port}: {error} after {limit:?}\n{}{}",
            server.stdout(),
            server.stderr()
        );
        thread::sleep(Duration::from_millis(10));
    }
}
