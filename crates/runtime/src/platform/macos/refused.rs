//! Sockets that have refused the option, by descriptor: they were shut down already, so whatever is written to them
//! raises SIGPIPE.
//!
//! Nobody tells when a descriptor is closed or becomes another one. So what is noted here is a suspicion: who acts on it
//! does what is right for any socket, and takes it back when there is no socket any more.

use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, Release},
};

use libc::c_int;

/// Descriptors beyond these are not noted. Pages that nobody touches take no memory.
const DESCRIPTORS: usize = 1 << 16;

/// Whether any was ever noted: all that the others' writes have to look at.
static ANY: AtomicBool = AtomicBool::new(false);
/// Bit n of word m for descriptor 64 m + n.
static REFUSED: [AtomicU64; DESCRIPTORS / 64] = [const { AtomicU64::new(0) }; DESCRIPTORS / 64];

/// Notes a socket that has refused the option.
pub fn note_refusal(fd: c_int) {
    if let Some((word, bit)) = place(fd) {
        word.fetch_or(bit, Relaxed);
        ANY.store(true, Release);
    }
}

/// Takes it back: the descriptor is something else now.
pub fn forget_refusal(fd: c_int) {
    if has_refused(fd)
        && let Some((word, bit)) = place(fd)
    {
        word.fetch_and(!bit, Relaxed);
    }
}

/// Whether a descriptor was noted.
#[inline(always)]
pub fn has_refused(fd: c_int) -> bool {
    ANY.load(Relaxed) && place(fd).is_some_and(|(word, bit)| word.load(Relaxed) & bit != 0)
}

fn place(fd: c_int) -> Option<(&'static AtomicU64, u64)> {
    let fd = usize::try_from(fd).ok()?;
    Some((REFUSED.get(fd / 64)?, 1 << (fd % 64)))
}
