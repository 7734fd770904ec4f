//! What a program that was started has become: on macOS that can't be followed, so nothing is found here.

use std::net::IpAddr;

/// A listening TCP socket, and who has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Where it listens.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// A process that has it.
    pub pid: u32,
}

/// Always fails: a process can't have its orphans given to it, nor look for other processes' sockets.
pub fn adopt_orphans() -> Result<(), String> {
    Err("this system does not tell where a program listens, nor what becomes of its daemons".into())
}

/// Always empty.
pub fn descendants() -> Vec<u32> {
    Vec::new()
}

/// Always false.
pub fn listens_on_unix(_: &[u32]) -> bool {
    false
}

/// Always empty.
pub fn listeners(_: &[u32]) -> Vec<Listener> {
    Vec::new()
}

/// The ends of this process's descendants, which can't be watched here.
pub struct Deaths;

impl Deaths {
    /// Always `None`.
    pub fn watch() -> Option<Self> {
        None
    }

    /// Always 0.
    pub fn of_sigpipe(&mut self) -> usize {
        0
    }
}
