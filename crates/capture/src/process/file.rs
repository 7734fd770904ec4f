//! Files, as every system has them.

use libc::c_int;

use crate::platform::errno;

/// Writes everything into a file and closes it.
pub fn write_all(fd: c_int, content: &[u8]) -> Result<(), c_int> {
    let mut rest = content;
    let mut result = Ok(());
    while !rest.is_empty() && result.is_ok() {
        // SAFETY: the content is readable.
        let done = unsafe { libc::write(fd, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(done) {
            Ok(0) => result = Err(libc::EIO),
            Ok(done) => rest = rest.get(done..).unwrap_or_default(),
            Err(_) => result = Err(errno()),
        }
    }
    // SAFETY: the caller's file, of which nobody makes use any more.
    if unsafe { libc::close(fd) } == 0 { result } else { result.and_then(|()| Err(errno())) }
}
