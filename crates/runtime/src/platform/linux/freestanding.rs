//! The functions of libc that this library calls, bound to ourselves.
//!
//! They are hidden, so that the program still has libc's. There are three reasons. Each name that ld.so does not have to look up saves
//! about 800 instructions in every process start. Our signal handlers call no `read` or `malloc` of another preload. And the copy of a
//! crashed process calls no code that the crash can have damaged.

use super::filter::FORBIDDEN;
use crate::arch;

arch::system_calls! { failed, ".globl":
    "getpid" => SYS_getpid,
    "getpeername" => SYS_getpeername,
    "getsockname" => SYS_getsockname,
    "getsockopt" => SYS_getsockopt,
    "gettid" => SYS_gettid,
}

arch::checked_system_calls! { failed, FORBIDDEN, ".globl":
    "clock_gettime" => SYS_clock_gettime,
    "close" => SYS_close,
    "fcntl" => SYS_fcntl,
    "fstat" => SYS_fstat,
    "fstat64" => SYS_fstat,
    "lseek64" => SYS_lseek,
    "mmap" => SYS_mmap,
    "mmap64" => SYS_mmap,
    "mprotect" => SYS_mprotect,
    "munmap" => SYS_munmap,
    "process_vm_readv" => SYS_process_vm_readv,
    "read" => SYS_read,
    "write" => SYS_write,
    "writev" => SYS_writev,
}

arch::path_calls! { failed, FORBIDDEN }

// Declared weak by the standard library, for older versions of libc.
arch::system_calls! { failed, ".weak":
    "statx" => SYS_statx,
}

/// Where a failed system call jumps to, with the kernel's answer where the kernel has left it.
#[unsafe(naked)]
pub(crate) extern "C" fn failed() -> isize {
    arch::failed!(fail)
}

/// poll(2), unless a filter forbids it.
pub fn poll(entries: &mut [libc::pollfd], milliseconds: libc::c_int) -> libc::c_long {
    if super::is_forbidden(arch::POLL) { -1 } else { arch::poll(entries, milliseconds) }
}

/// open(2), unless a filter forbids it.
pub fn open(path: &core::ffi::CStr, flags: libc::c_int) -> libc::c_int {
    if super::is_forbidden(arch::OPEN) { -1 } else { arch::open(path, flags) }
}

unsafe extern "C" {
    /// A system call of ours, which fails with ENOSYS where a filter would end the process for it; otherwise syscall(2).
    #[link_name = "nosigpipe_own_call"]
    pub fn own_call(number: libc::c_long, ...) -> libc::c_long;
}

/// The definition of [`own_call`]: Rust can't define a function with variable arguments.
#[unsafe(export_name = "nosigpipe_own_call")]
#[unsafe(naked)]
unsafe extern "C" fn own_call_itself() -> libc::c_long {
    arch::own_call_function!(FORBIDDEN, failed)
}

extern "C" fn fail(errno: libc::c_int) -> isize {
    super::set_errno(errno);
    -1
}

/// A system call, without what our hook of syscall(2) does for the program's calls.
///
/// # Safety
/// That of the call.
pub unsafe fn system_call(number: libc::c_long, arguments: [libc::c_long; 6]) -> libc::c_long {
    // SAFETY: the caller promises what the call demands.
    let result = unsafe { arch::system_call(number, arguments) };
    if result as usize > -4096isize as usize { fail(-result as libc::c_int) as libc::c_long } else { result }
}
