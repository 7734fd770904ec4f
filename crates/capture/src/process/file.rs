//! Files, by calls that both systems have.

use core::ptr;

use libc::{c_int, off_t};

use crate::arena;
use crate::platform::errno;

/// Writes everything into a file and closes it; the errno of what failed.
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
    // SAFETY: the caller hands the descriptor over.
    if unsafe { libc::close(fd) } == 0 { result } else { result.and_then(|()| Err(errno())) }
}

/// Maps the first `size` bytes of a file for reading, until the report is done, and closes the descriptor. `None` where there is
/// nothing, or no memory. Should the file shrink meanwhile, reading what is gone is a SIGBUS: of the copy on Linux, and the process tells
/// what it can itself; on macOS of the report, which is then told by addresses alone.
///
/// # Safety
/// The descriptor is the caller's, who does not use it any more.
pub unsafe fn map_and_close(fd: c_int, size: off_t) -> Option<&'static [u8]> {
    // SAFETY: as promised; the mapping is private, and stays as long as anything of the report.
    unsafe {
        let memory = if size > 0 {
            libc::mmap(ptr::null_mut(), size as usize, libc::PROT_READ, libc::MAP_PRIVATE, fd, 0)
        } else {
            libc::MAP_FAILED
        };
        libc::close(fd);
        let file =
            (memory != libc::MAP_FAILED).then(|| core::slice::from_raw_parts(memory.cast::<u8>(), size as usize))?;
        arena::keep(file);
        Some(file)
    }
}
