//! How processes end that are not ours to wait for: the kernel tells of every fork and every end, if it is asked to
//! (the process events connector: linux/connector.h, linux/cn_proc.h, Documentation/driver-api/connector.rst).

use std::collections::HashSet;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{mem, ptr};

/// Sizes of struct nlmsghdr, of struct cn_msg, and of what stands in front of struct proc_event's union.
const NETLINK_HEADER: usize = 16;
const CONNECTOR_HEADER: usize = 20;
const EVENT_HEADER: usize = 16;
/// Bytes of a message that says whether we want to hear of events (enum proc_cn_mcast_op).
const ASKING: usize = NETLINK_HEADER + CONNECTOR_HEADER + 4;
/// Events are lost when nobody has taken as many bytes of them.
const ROOM: libc::c_int = 8 << 20;

/// The ends of the processes that descend from this one.
pub struct Deaths {
    socket: OwnedFd,
    family: HashSet<u32>,
}

impl Deaths {
    /// Watches from now on. `None` where the kernel tells nobody, or not us: that takes root before Linux 6.6, and the first network
    /// namespace.
    pub fn watch() -> Option<Self> {
        // SAFETY: it takes numbers only.
        let socket = unsafe {
            libc::socket(
                libc::AF_NETLINK,
                libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                libc::NETLINK_CONNECTOR,
            )
        };
        if socket < 0 {
            return None;
        }
        // SAFETY: a new descriptor, nobody else's.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: all zeroes is an address, before the fields below are set.
        let mut address: libc::sockaddr_nl = unsafe { mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = libc::CN_IDX_PROC;
        let room = ROOM;
        // SAFETY: an address and a number, which live until then.
        let is_bound = unsafe {
            let option = (&raw const room).cast();
            let size = size_of_val(&room) as libc::socklen_t;
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, option, size);
            let length = size_of_val(&address) as libc::socklen_t;
            libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) == 0
        };
        let mut deaths = Self { socket, family: HashSet::from([std::process::id()]) };
        (is_bound && deaths.ask(libc::PROC_CN_MCAST_LISTEN) && deaths.tells_of_our_children()).then_some(deaths)
    }

    /// Tells the kernel whether anybody here wants to hear of events.
    fn ask(&self, operation: u32) -> bool {
        let mut message = Vec::with_capacity(ASKING);
        message.extend((ASKING as u32).to_ne_bytes());
        message.extend((libc::NLMSG_DONE as u16).to_ne_bytes());
        // No flags, no sequence, and the kernel fills in who we are.
        message.extend([0; 10]);
        for word in [libc::CN_IDX_PROC, libc::CN_VAL_PROC, 0, 0] {
            message.extend(word.to_ne_bytes());
        }
        message.extend(4u16.to_ne_bytes());
        message.extend([0; 2]);
        message.extend(operation.to_ne_bytes());
        // SAFETY: that many bytes of ours.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
        sent == message.len() as isize
    }

    /// Whether it works: in a namespace of pids the kernel's numbers are others than ours, and elsewhere nothing comes at all.
    fn tells_of_our_children(&mut self) -> bool {
        // SAFETY: the child does nothing but end.
        let child = unsafe {
            match libc::fork() {
                0 => libc::_exit(0),
                child => child,
            }
        };
        if child < 0 {
            return false;
        }
        // SAFETY: our child, whose status nobody wants.
        unsafe { libc::waitpid(child, ptr::null_mut(), 0) };
        // The end of a process is told before its parent learns of it.
        self.of_sigpipe();
        self.family.remove(&(child as u32)) || self.family.len() > 1
    }

    /// How many of them SIGPIPE has ended since this was asked last.
    pub fn of_sigpipe(&mut self) -> usize {
        let mut buffer = [0u8; 4096];
        let mut found = 0;
        loop {
            // SAFETY: that many bytes of ours.
            let length = unsafe {
                libc::recv(self.socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
            };
            let Ok(length) = usize::try_from(length) else {
                // Some were lost, and what has come since is still there.
                if std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS) {
                    continue;
                }
                return found;
            };
            let event = buffer.get(NETLINK_HEADER + CONNECTOR_HEADER..length).unwrap_or_default();
            let word = |index: usize| {
                let bytes = event.get(index * 4..index * 4 + 4).and_then(|bytes| bytes.try_into().ok());
                bytes.map_or(0, u32::from_ne_bytes)
            };
            let first = EVENT_HEADER / 4;
            match word(0) {
                // The parent's thread and process, the child's thread and process.
                libc::PROC_EVENT_FORK if self.family.contains(&word(first + 1)) => {
                    self.family.insert(word(first + 3));
                }
                // The thread and process, and what waitpid(2) gives; the last thread of a process ends it.
                libc::PROC_EVENT_EXIT if word(first) == word(first + 1) && self.family.contains(&word(first)) => {
                    found += usize::from(libc::WTERMSIG(word(first + 2) as libc::c_int) == libc::SIGPIPE);
                }
                _ => {}
            }
        }
    }
}

impl Drop for Deaths {
    fn drop(&mut self) {
        // Before Linux 6.6 the kernel counts who listens, and does not see that one has gone.
        self.ask(libc::PROC_CN_MCAST_IGNORE);
    }
}
