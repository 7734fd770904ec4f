//! Memory of another process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use libc::pid_t;
use unwind::ReadMemory;

/// Memory of a process, as it is at the moment.
pub struct ProcessMemory {
    pid: pid_t,
    /// Where process_vm_readv(2) is forbidden (a seccomp filter, an old container) this may still be allowed.
    file: Option<File>,
}

impl ProcessMemory {
    /// Whether it may be read is seen when it is read.
    pub fn of(pid: pid_t) -> Self {
        Self { pid, file: File::open(format!("/proc/{pid}/mem")).ok() }
    }

    /// Copies as many bytes as are there, from the first on. Fails with what the kernel says of the first.
    pub fn read_at(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: buffer.len() };
        // SAFETY: `local` is our buffer; `remote` is only looked up in the other process, where bad addresses are errors.
        let copied = unsafe { libc::process_vm_readv(self.pid, &raw const local, 1, &raw const remote, 1, 0) };
        usize::try_from(copied).or_else(|_| {
            let error = io::Error::last_os_error();
            self.file.as_ref().and_then(|file| file.read_at(buffer, address).ok()).ok_or(error)
        })
    }

    /// The same for exactly so many bytes.
    pub fn bytes_at(&self, address: u64, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        match self.read_at(address, &mut bytes)? {
            read if read == size => Ok(bytes),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl ReadMemory for ProcessMemory {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        self.read_at(address, buffer).unwrap_or(0)
    }
}
