//! What a program that was started has become: its processes, and where they listen.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use super::deaths::Deaths;
use super::process::{all, parent_of};

/// A listening TCP socket, and who has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Where it listens.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// A process that has it: the one with the lowest pid.
    pub pid: u32,
}

/// From now on, processes of ours whose parent has ended are our children, as daemons are: we are told how they end, and
/// can end them.
pub fn adopt_orphans() -> Result<(), String> {
    // SAFETY: it takes numbers only.
    let result = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error().to_string()) }
}

/// The processes that we have started, and theirs.
pub fn descendants() -> Vec<u32> {
    let mut found = vec![std::process::id()];
    let all: Vec<_> = all().into_iter().filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut known = 0;
    // Each round finds the children of the last round's.
    while known < found.len() {
        let parents: Vec<u32> = found.get(known..).unwrap_or_default().to_vec();
        known = found.len();
        found.extend(all.iter().filter(|(_, parent)| parents.contains(parent)).map(|(pid, _)| *pid));
    }
    found.remove(0);
    found
}

/// The TCP sockets on which these processes listen, each once.
pub fn listeners(pids: &[u32]) -> Vec<Listener> {
    let mut found: Vec<Listener> = Vec::new();
    for &pid in pids {
        let inodes = sockets(pid);
        for family in ["tcp", "tcp6"] {
            // The process's own network, which may be another than ours.
            let table = fs::read_to_string(format!("/proc/{pid}/net/{family}")).unwrap_or_default();
            for (address, port, inode) in table.lines().skip(1).filter_map(listening) {
                let is_new = !found.iter().any(|other| (other.address, other.port) == (address, port));
                if inodes.contains(&inode) && is_new {
                    found.push(Listener { address, port, pid });
                }
            }
        }
    }
    found.sort_by_key(|listener| (listener.port, listener.address));
    found
}

/// Whether one of these processes has a listening UNIX socket.
pub fn listens_on_unix(pids: &[u32]) -> bool {
    // __SO_ACCEPTCON of linux/net.h, as unix(7) says of /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path.
    const ACCEPTS: &str = "00010000";
    pids.iter().any(|&pid| {
        let inodes = sockets(pid);
        let table = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap_or_default();
        table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|fields| {
            let inode = fields.get(6).and_then(|inode| inode.parse().ok());
            fields.get(3) == Some(&ACCEPTS) && inode.is_some_and(|inode: u64| inodes.contains(&inode))
        })
    })
}

/// The inodes of a process's sockets.
fn sockets(pid: u32) -> Vec<u64> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    targets.filter_map(|target| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
}

/// A line of /proc/net/tcp or tcp6, if it is a listening socket's: address, port and inode.
fn listening(line: &str) -> Option<(IpAddr, u16, u64)> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    // Four bytes each, as the machine keeps them.
    let words: Vec<[u8; 4]> = (0..address.len() / 8)
        .filter_map(|word| u32::from_str_radix(address.get(word * 8..word * 8 + 8)?, 16).ok())
        .map(u32::to_ne_bytes)
        .collect();
    let address = match words.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        words => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?)),
    };
    Some((address, u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
}
