//! How descendants end for which we can't wait, since they are no children of ours: the kernel reports every fork and
//! every exit to those that subscribe (the process events connector: linux/connector.h, linux/cn_proc.h,
//! Documentation/driver-api/connector.rst).

use std::collections::HashSet;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::{mem, ptr};

/// Sizes in bytes of struct nlmsghdr, of struct cn_msg, and of what precedes the union in struct proc_event.
const NETLINK_HEADER: usize = 16;
const CONNECTOR_HEADER: usize = 20;
const EVENT_HEADER: usize = 16;
/// Size in bytes of the message by which one subscribes: both headers and an enum proc_cn_mcast_op.
const ASKING: usize = NETLINK_HEADER + CONNECTOR_HEADER + 4;
/// Size in bytes of the receive buffer: while it is full, the kernel drops events.
const ROOM: libc::c_int = 8 << 20;

/// A subscription to the ends of this process's descendants.
pub struct Deaths {
    socket: OwnedFd,
    /// This process and its descendants, by pid.
    family: HashSet<u32>,
}

impl Deaths {
    /// Subscribes. `None` where no events come: before Linux 6.6 this takes root, and always the first network
    /// namespace.
    pub fn watch() -> Option<Self> {
        // SAFETY: the call takes numbers only.
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
        // SAFETY: a new descriptor, which nobody else has.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        // SAFETY: a sockaddr_nl has numbers only, for which zero is valid.
        let mut address: libc::sockaddr_nl = unsafe { mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = libc::CN_IDX_PROC;
        let room = ROOM;
        // SAFETY: the calls read two variables of this function, whose sizes they are given.
        let is_bound = unsafe {
            let option = (&raw const room).cast();
            let size = size_of_val(&room) as libc::socklen_t;
            // This takes CAP_NET_ADMIN. Without it the buffer stays as it is, and is full sooner.
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, option, size);
            let length = size_of_val(&address) as libc::socklen_t;
            libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) == 0
        };
        let mut deaths = Self { socket, family: HashSet::from([std::process::id()]) };
        (is_bound && deaths.ask(libc::PROC_CN_MCAST_LISTEN) && deaths.tells_of_our_children()).then_some(deaths)
    }

    /// Subscribes or unsubscribes (PROC_CN_MCAST_LISTEN, PROC_CN_MCAST_IGNORE). Returns whether the kernel took it.
    fn ask(&self, operation: u32) -> bool {
        let mut message = Vec::with_capacity(ASKING);
        message.extend((ASKING as u32).to_ne_bytes());
        message.extend((libc::NLMSG_DONE as u16).to_ne_bytes());
        // The header's flags, sequence number and port: none is needed.
        message.extend([0; 10]);
        // struct cn_msg: whom it is for (two numbers), sequence number, acknowledgement; then the size of what follows,
        // flags.
        for word in [libc::CN_IDX_PROC, libc::CN_VAL_PROC, 0, 0] {
            message.extend(word.to_ne_bytes());
        }
        message.extend(4u16.to_ne_bytes());
        message.extend([0; 2]);
        message.extend(operation.to_ne_bytes());
        // SAFETY: the call reads `message`, whose size it is given.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), message.as_ptr().cast(), message.len(), 0) };
        sent == message.len() as isize
    }

    /// Whether the events can be used, which we try with a child that ends at once. In another pid namespace than the
    /// first they have other numbers than those that we know our children by, and some kernels send none.
    fn tells_of_our_children(&mut self) -> bool {
        // SAFETY: the child only calls _exit(2), which is safe after any fork.
        let child = unsafe {
            match libc::fork() {
                0 => libc::_exit(0),
                child => child,
            }
        };
        if child < 0 {
            return false;
        }
        // SAFETY: the null pointer means that the status is not wanted.
        unsafe { libc::waitpid(child, ptr::null_mut(), 0) };
        // The event of a fork is sent before fork(2) returns, so it is there.
        self.of_sigpipe();
        self.family.remove(&(child as u32)) || self.family.len() > 1
    }

    /// How many descendants SIGPIPE has ended since the last call of this.
    pub fn of_sigpipe(&mut self) -> usize {
        let mut buffer = [0u8; 4096];
        let mut found = 0;
        loop {
            // SAFETY: the call writes into `buffer`, whose size it is given.
            let length = unsafe {
                libc::recv(self.socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
            };
            let Ok(length) = usize::try_from(length) else {
                // ENOBUFS tells that events were dropped; those that came later can still be read.
                if std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOBUFS) {
                    continue;
                }
                return found;
            };
            let event = buffer.get(NETLINK_HEADER + CONNECTOR_HEADER..length).unwrap_or_default();
            found += usize::from(self.is_death_by_sigpipe(event));
        }
    }

    /// Takes in an event (struct proc_event). Returns whether SIGPIPE has ended another descendant.
    fn is_death_by_sigpipe(&mut self, event: &[u8]) -> bool {
        let word = |index: usize| {
            let bytes = event.get(index * 4..index * 4 + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u32::from_ne_bytes)
        };
        let first = EVENT_HEADER / 4;
        match word(0) {
            // The parent's tid and pid, the child's tid and pid.
            libc::PROC_EVENT_FORK if self.family.contains(&word(first + 1)) => {
                self.family.insert(word(first + 3));
                false
            }
            // The tid and the pid, and the status as waitpid(2) has it. All threads that are there end by the signal
            // that ends their process; the first thread may have ended before (pthread_exit(3) in main). So the
            // process is counted by whichever is told first, and no more.
            libc::PROC_EVENT_EXIT => {
                let is_by_sigpipe = libc::WTERMSIG(word(first + 2) as libc::c_int) == libc::SIGPIPE;
                is_by_sigpipe && self.family.remove(&word(first + 1))
            }
            _ => false,
        }
    }
}

impl Drop for Deaths {
    fn drop(&mut self) {
        // Before Linux 6.6 the kernel only counts the subscribers, and a closed socket stays counted.
        self.ask(libc::PROC_CN_MCAST_IGNORE);
    }
}
