//! What a program that was started has become: its processes, and where they listen.

use std::fs;
use std::net::IpAddr;

pub use super::deaths::Deaths;
use super::process::{all, living_thread, parent_of};
use super::sockets;

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
        let shown = living_thread(pid);
        let inodes = inodes(shown);
        for (at, inode) in sockets::listening(shown) {
            let is_new = !found.iter().any(|other| (other.address, other.port) == (at.ip(), at.port()));
            if inodes.contains(&inode) && is_new {
                found.push(Listener { address: at.ip(), port: at.port(), pid });
            }
        }
    }
    found.sort_by_key(|listener| (listener.port, listener.address));
    found
}

/// Whether one of these processes has a listening UNIX socket.
pub fn listens_on_unix(pids: &[u32]) -> bool {
    pids.iter().map(|&pid| living_thread(pid)).any(|shown| {
        let inodes = inodes(shown);
        sockets::listening_on_unix(shown).iter().any(|inode| inodes.contains(inode))
    })
}

/// The inodes of a process's sockets, by the number by which the kernel shows it.
fn inodes(shown: u32) -> Vec<u64> {
    let descriptors = fs::read_dir(format!("/proc/{shown}/fd")).into_iter().flatten().flatten();
    let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    targets.filter_map(|target| sockets::inode(target.to_str()?)).collect()
}
