//! Ports for servers that can't choose one themselves.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Running;

/// A port that nobody listens on, below the ephemeral ones: ten thousand clients use those up, and one of
/// them would sit on the port before the server does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 197) as u16 * 100;
    (0..20_000)
        .map(|_| 10_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Waits until the server accepts connections on the port. Knocking is all that can be done with a server
/// that says nothing when it is ready; one that says so is better awaited by [`Running::wait_for_line`].
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
