//! Memory of another process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use libc::pid_t;
use unwind::ReadMemory;

use super::permission::{Call, is_filtered};

/// Memory of a process, as it is at the moment.
pub struct ProcessMemory {
    pid: pid_t,
    /// /proc/PID/mem, which may be allowed where process_vm_readv(2) is not.
    file: Option<File>,
}

impl ProcessMemory {
    /// Whether it may be read is seen when it is read.
    pub fn of(pid: pid_t) -> Self {
        Self { pid, file: File::open(format!("/proc/{pid}/mem")).ok() }
    }

    /// Copies as many bytes as are there, from the first on. Fails with what the kernel says of the first.
    ///
    /// A seccomp filter may end us for process_vm_readv(2). Under one, the file comes first, to which no call leads that
    /// we don't make anyway, and then the other only if that was tried by a child.
    pub fn read_at(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if !is_filtered() {
            return self.call(address, buffer).or_else(|error| self.read_file(address, buffer).map_err(|_| error));
        }
        match self.read_file(address, buffer) {
            Err(error) if is_refusal(&error) && Call::ProcessVmReadv.refusal().is_none() => self.call(address, buffer),
            result => result,
        }
    }

    /// The same by process_vm_readv(2).
    fn call(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: buffer.len() };
        // SAFETY: `local` is our buffer; `remote` is only looked up in the other process, where bad addresses are errors.
        let copied = unsafe { libc::process_vm_readv(self.pid, &raw const local, 1, &raw const remote, 1, 0) };
        usize::try_from(copied).map_err(|_| io::Error::last_os_error())
    }

    /// The same by the file alone.
    pub fn read_file(&self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &self.file else { return Err(io::ErrorKind::PermissionDenied.into()) };
        match file.read_at(buffer, address)? {
            // Its memory has gone, with the process.
            0 if !buffer.is_empty() => Err(io::Error::from_raw_os_error(libc::ESRCH)),
            count => Ok(count),
        }
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

/// Whether this error tells that memory may not be read, in this way at least; any other is about what is there.
pub fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

impl ReadMemory for ProcessMemory {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> usize {
        self.read_at(address, buffer).unwrap_or(0)
    }
}
