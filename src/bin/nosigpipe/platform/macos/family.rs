//! What a program that was started has become: that can't be followed here.

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

/// Refuses: a process can't have its orphans given to it, nor look for others' sockets.
pub fn adopt_orphans() -> Result<(), String> {
    Err("this system does not tell where a program listens, nor what becomes of its daemons".into())
}

/// None that are known.
pub fn descendants() -> Vec<u32> {
    Vec::new()
}

/// None of which is known.
pub fn listens_on_unix(_: &[u32]) -> bool {
    false
}

/// None that are known.
pub fn listeners(_: &[u32]) -> Vec<Listener> {
    Vec::new()
}

/// The ends of the processes that descend from this one: nobody tells.
pub struct Deaths;

impl Deaths {
    /// Not here.
    pub fn watch() -> Option<Self> {
        None
    }

    /// None that are known.
    pub fn of_sigpipe(&mut self) -> usize {
        0
    }
}
