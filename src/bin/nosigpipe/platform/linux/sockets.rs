//! The sockets of a process's network, as /proc/PID/net lists them (proc_pid_net(5)).

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use report::stacks::Socket;

const RAW: &str = "raw IP";
/// The files of IP's sockets, and what their protocols are called.
const IP: [(&str, &str); 6] =
    [("tcp", "TCP"), ("tcp6", "TCP"), ("udp", "UDP"), ("udp6", "UDP"), ("raw", RAW), ("raw6", RAW)];
/// The states of TCP from 1 on, by the numbers and names of include/net/tcp_states.h. The kernel uses them for UDP, too.
const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];
/// The state of a TCP socket that listens.
const LISTEN: &str = "LISTEN";
/// __SO_ACCEPTCON of linux/net.h, which a UNIX socket that listens has among its flags.
const ACCEPTS: u32 = 1 << 16;

/// A line of /proc/net/tcp and its like.
struct Ip {
    local: SocketAddr,
    peer: SocketAddr,
    state: &'static str,
    inode: u64,
}

impl Ip {
    fn of_line(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let state = usize::from_str_radix(fields.get(3)?, 16).ok()?.checked_sub(1)?;
        Some(Self {
            local: address(fields.get(1)?)?,
            peer: address(fields.get(2)?)?,
            state: STATES.get(state)?,
            inode: fields.get(9)?.parse().ok()?,
        })
    }
}

/// A line of /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path.
struct Unix<'a> {
    is_listening: bool,
    inode: u64,
    /// Empty where it has no name. A name in no file system begins with `@`.
    path: &'a str,
}

impl<'a> Unix<'a> {
    fn of_line(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().take(7).collect();
        let inode = fields.get(6)?;
        // All that is behind it, one space off, is the path: names may have spaces in them.
        let end = inode.as_ptr().addr() - line.as_ptr().addr() + inode.len();
        Some(Self {
            is_listening: u32::from_str_radix(fields.get(3)?, 16).ok()? & ACCEPTS != 0,
            inode: inode.parse().ok()?,
            path: line.get(end..).and_then(|rest| rest.strip_prefix(' ')).unwrap_or_default(),
        })
    }
}

/// A file of the process's own network, which may be another than ours; empty where it can't be read.
fn table(pid: u32, file: &str) -> String {
    let content = fs::read(format!("/proc/{pid}/net/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&content).into_owned()
}

/// The TCP sockets that listen, with their inodes.
pub fn listening(pid: u32) -> Vec<(SocketAddr, u64)> {
    let tables = ["tcp", "tcp6"].map(|file| table(pid, file)).concat();
    let sockets = tables.lines().filter_map(Ip::of_line).filter(|socket| socket.state == LISTEN);
    sockets.map(|socket| (socket.local, socket.inode)).collect()
}

/// The inodes of the UNIX sockets that listen.
pub fn listening_on_unix(pid: u32) -> Vec<u64> {
    let table = table(pid, "unix");
    let sockets = table.lines().filter_map(Unix::of_line).filter(|socket| socket.is_listening);
    sockets.map(|socket| socket.inode).collect()
}

/// All sockets of the process's network, by their inodes; without those of IP that have no address.
pub fn all(pid: u32) -> HashMap<u64, Socket> {
    let mut all = HashMap::new();
    for (file, protocol) in IP {
        // A raw socket has the number of its protocol where others have a port.
        let shown = |address: SocketAddr| if protocol == RAW { address.ip().to_string() } else { address.to_string() };
        for socket in table(pid, file).lines().filter_map(Ip::of_line) {
            let is_tcp = protocol == "TCP";
            let peer = if socket.peer.port() == 0 && socket.peer.ip().is_unspecified() {
                String::new()
            } else {
                shown(socket.peer)
            };
            all.insert(
                socket.inode,
                Socket {
                    protocol: protocol.to_owned(),
                    local: shown(socket.local),
                    peer,
                    state: if is_tcp { socket.state.to_owned() } else { String::new() },
                },
            );
        }
    }
    for socket in table(pid, "unix").lines().filter_map(Unix::of_line) {
        // The kernel writes names as they are, line ends included, so that a name may look like other sockets' lines.
        all.entry(socket.inode).or_insert(Socket {
            protocol: "UNIX".to_owned(),
            local: socket.path.to_owned(),
            peer: String::new(),
            state: if socket.is_listening { LISTEN.to_owned() } else { String::new() },
        });
    }
    all
}

/// The inode in what /proc/PID/fd says of a socket: `socket:[123]`.
pub fn inode(file: &str) -> Option<u64> {
    file.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// An address and a port, both in hexadecimal; of the address four bytes each as the machine keeps them.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let words: Vec<[u8; 4]> = (0..address.len() / 8)
        .filter_map(|word| u32::from_str_radix(address.get(word * 8..word * 8 + 8)?, 16).ok())
        .map(u32::to_ne_bytes)
        .collect();
    let address = match words.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        words => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?)),
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}
