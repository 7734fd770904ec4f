//! Which of the process's descriptors are broken, for a processor on which the interrupted call does not
//! tell its descriptor any more. A FIFO's write end is broken exactly when poll(2) says POLLERR, a socket's other end is gone
//! when it says POLLHUP or POLLERR.

use super::freestanding::own_call;
use libc::{POLLERR, POLLHUP, POLLNVAL, c_int};

use super::{broken_pipe::is_broken_pipe, is_socket};

/// What was found.
#[derive(Default)]
pub struct Broken {
    /// A pipe that nobody reads any more.
    pub pipe: Option<c_int>,
    /// A socket whose other end is gone.
    pub socket: Option<c_int>,
    /// How many such sockets there are.
    pub sockets: u32,
}

/// How long the search may take, in nanoseconds of this thread's processor time. Descriptors that it does not reach count as not
/// broken; pipes mostly have low numbers.
const TIME_LIMIT: u64 = 30_000_000;
/// Descriptors that one call of poll(2) asks about.
const AT_ONCE: usize = 64;

/// Looks at all descriptors, in ascending order where /proc is there, else by their numbers.
pub(super) fn broken() -> Broken {
    let deadline = own_time() + TIME_LIMIT;
    let mut found = Broken::default();
    let mut asked = [libc::pollfd { fd: -1, events: 0, revents: 0 }; AT_ONCE];
    let mut count = 0;
    let mut ask = |fd: Option<c_int>| {
        if let Some(entry) = fd.and_then(|_| asked.get_mut(count)) {
            entry.fd = fd.unwrap_or(-1);
            count += 1;
        }
        if (fd.is_some() && count < AT_ONCE) || count == 0 {
            return true;
        }
        if let Some(asked) = asked.get_mut(..count) {
            look(asked, &mut found);
        }
        count = 0;
        own_time() < deadline
    };
    if !each_descriptor(&mut ask) {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure is ours.
        unsafe { own_call(libc::SYS_prlimit64, 0, libc::RLIMIT_NOFILE, 0, &raw mut limit) };
        for fd in 0..limit.rlim_cur.min(1 << 20) as c_int {
            if !ask(Some(fd)) {
                break;
            }
        }
    }
    ask(None);
    found
}

/// The processor time that the calling thread has used, in nanoseconds.
fn own_time() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Asks about some descriptors, and notes those that are broken.
fn look(asked: &mut [libc::pollfd], found: &mut Broken) {
    if asked.is_empty() || super::freestanding::poll(asked, 0) <= 0 {
        return;
    }
    for entry in asked.iter().filter(|entry| entry.revents & (POLLERR | POLLHUP) != 0 && entry.revents & POLLNVAL == 0)
    {
        if is_socket(entry.fd) == Some(true) {
            found.socket.get_or_insert(entry.fd);
            found.sockets += 1;
        } else if found.pipe.is_none() && is_broken_pipe(entry.fd) {
            found.pipe = Some(entry.fd);
        }
    }
}

/// Visits what /proc lists, as long as `visit` wants more; whether it lists anything. It does not where the main thread has ended before the
/// others.
#[inline(never)]
fn each_descriptor(visit: &mut impl FnMut(Option<c_int>) -> bool) -> bool {
    let directory = super::freestanding::open(c"/proc/self/fd", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC);
    if directory < 0 {
        return false;
    }
    let mut buffer = [0u8; 1024];
    let mut goes_on = true;
    let mut is_listed = false;
    while goes_on {
        // SAFETY: the kernel writes at most as much as there is room for.
        let length = unsafe { own_call(libc::SYS_getdents64, directory, buffer.as_mut_ptr(), buffer.len()) };
        let Some(mut rest) = usize::try_from(length).ok().and_then(|length| buffer.get(..length)) else { break };
        if rest.is_empty() {
            break;
        }
        // struct linux_dirent64: inode, offset, length of the entry, type, name.
        while let (Some(&[low, high]), Some(name)) = (rest.get(16..18), rest.get(19..)) {
            let digits = name.split(|&byte| byte == 0).next().unwrap_or_default();
            let fd = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<c_int>().ok());
            is_listed |= fd.is_some();
            if let Some(fd) = fd.filter(|&fd| fd != directory) {
                goes_on = goes_on && visit(Some(fd));
            }
            rest = rest.get(usize::from(u16::from_le_bytes([low, high]))..).unwrap_or_default();
        }
    }
    // SAFETY: opened above.
    unsafe { libc::close(directory) };
    is_listed
}
