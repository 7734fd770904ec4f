//! Sockets that have refused the option, by descriptor: they were shut down already, so that writing to them raises SIGPIPE.
//!
//! When a descriptor is closed or becomes another file, that is not noticed. So an entry here may be out of date: the caller does what is
//! right for any socket, and removes the entry if the descriptor is no socket any more.

use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, Release},
};

use libc::c_int;

/// Descriptors beyond these are not noted. Pages that nobody touches take no memory.
const DESCRIPTORS: usize = 1 << 16;

/// Whether any was ever noted: in most processes a write looks at this alone.
static ANY: AtomicBool = AtomicBool::new(false);
/// Bit n of entry m is for descriptor 64 m + n.
static REFUSED: [AtomicU64; DESCRIPTORS / 64] = [const { AtomicU64::new(0) }; DESCRIPTORS / 64];

/// Notes a socket that has refused the option.
pub fn note_refusal(fd: c_int) {
    if let Some((bits, bit)) = entry(fd) {
        bits.fetch_or(bit, Relaxed);
        ANY.store(true, Release);
    }
}

/// Removes the note: the descriptor is something else now.
pub fn forget_refusal(fd: c_int) {
    if has_refused(fd)
        && let Some((bits, bit)) = entry(fd)
    {
        bits.fetch_and(!bit, Relaxed);
    }
}

/// Whether a descriptor was noted.
#[inline(always)]
pub fn has_refused(fd: c_int) -> bool {
    ANY.load(Relaxed) && entry(fd).is_some_and(|(bits, bit)| bits.load(Relaxed) & bit != 0)
}

fn entry(fd: c_int) -> Option<(&'static AtomicU64, u64)> {
    let fd = usize::try_from(fd).ok()?;
    Some((REFUSED.get(fd / 64)?, 1 << (fd % 64)))
}
