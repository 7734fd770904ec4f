//! What the process is called, what it was started with, and errno.

use core::ffi::CStr;

use libc::{c_char, c_int, pid_t};

unsafe extern "C" {
    /// environ(7)
    static mut environ: *mut *mut c_char;
}

/// The environment's entries.
pub fn environment() -> impl Iterator<Item = &'static CStr> {
    // SAFETY: environ is a null-terminated array of strings, or null after clearenv(3). It is only read by the
    // constructor, before other threads exist that might change it.
    let mut entry = unsafe { environ };
    core::iter::from_fn(move || {
        // SAFETY: `entry` has not passed the terminating null pointer yet.
        let text = if entry.is_null() { core::ptr::null_mut() } else { unsafe { *entry } };
        (!text.is_null()).then(|| {
            // SAFETY: a non-null entry is a string; the next one is there, at least as the terminating null pointer.
            unsafe {
                entry = entry.add(1);
                CStr::from_ptr(text)
            }
        })
    })
}

/// Puts one more entry into the environment, without malloc: a second preload's malloc may not be ready for a call
/// from a constructor. `entry` lives for ever. For the constructor; does nothing when there is no memory.
pub fn add_to_environment(entry: &'static CStr) {
    let count = environment().count();
    let bytes = (count + 2) * size_of::<*mut c_char>();
    // SAFETY: an anonymous mapping of fresh memory, written below within its size. environ's old array stays as it is,
    // for those who hold it.
    unsafe {
        let place = libc::mmap(
            core::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if place == libc::MAP_FAILED {
            return;
        }
        let array: *mut *mut c_char = place.cast();
        if count > 0 {
            core::ptr::copy_nonoverlapping(environ, array, count);
        }
        array.add(count).write(entry.as_ptr().cast_mut());
        // The mapping is all zero bytes: the terminating null pointer is there.
        environ = array;
    }
}

/// Whether the program runs with more rights than its caller has (AT_SECURE, getauxval(3)).
pub fn is_secure() -> bool {
    // SAFETY: getauxval reads the auxiliary vector and has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Base name of the executable file, symbolic links resolved; empty without /proc. `buffer` holds the path.
pub fn executable_name(buffer: &mut [u8]) -> &[u8] {
    // SAFETY: readlink writes at most the given number of bytes into the buffer.
    let length = unsafe { libc::readlink(c"/proc/self/exe".as_ptr(), buffer.as_mut_ptr().cast(), buffer.len()) };
    base_name(usize::try_from(length).ok().and_then(|length| buffer.get(..length)).unwrap_or_default())
}

/// Base name of what the program was called as (`argv[0]`), without a login shell's dash.
pub fn invocation_name() -> &'static [u8] {
    unsafe extern "C" {
        static program_invocation_name: *const c_char;
    }
    // SAFETY: glibc sets it from argv[0] before any constructor runs; a program may replace it by another string.
    let name = unsafe { program_invocation_name };
    if name.is_null() {
        return b"";
    }
    // SAFETY: not null, so a string.
    let name = base_name(unsafe { CStr::from_ptr(name) }.to_bytes());
    name.strip_prefix(b"-").unwrap_or(name)
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&c| c == b'/').next().unwrap_or_default()
}

/// getpid(2), by the kernel: right in every kind of child.
pub fn pid() -> pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::getpid() }
}

/// The calling thread's errno.
pub fn errno() -> c_int {
    // SAFETY: the location is valid for the calling thread.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's errno.
pub fn set_errno(value: c_int) {
    // SAFETY: the location is valid for the calling thread.
    unsafe { *libc::__errno_location() = value }
}

/// Runs `body` and leaves errno as it was.
pub fn keeping_errno<T>(body: impl FnOnce() -> T) -> T {
    let before = errno();
    let value = body();
    set_errno(before);
    value
}

/// Writes to standard error; what can't be written is lost.
pub fn write_stderr(bytes: &[u8]) {
    // SAFETY: the bytes are ours. Raw, so that no interposed write runs in a signal handler.
    unsafe { libc::syscall(libc::SYS_write, libc::STDERR_FILENO, bytes.as_ptr(), bytes.len()) };
}

/// Seconds on a clock that only goes forward.
pub fn seconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec.unsigned_abs()
}

/// Sends the calling thread a signal and lets it come, whether it was blocked or not.
pub fn raise_unblocked(signal: c_int) {
    let set: u64 = 1 << (signal - 1);
    // SAFETY: `set` is a kernel signal set of the size given. Raw, since glibc's raise blocks signals meanwhile.
    unsafe {
        libc::syscall(libc::SYS_tgkill, pid(), libc::syscall(libc::SYS_gettid), signal);
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_UNBLOCK, &raw const set, 0usize, size_of::<u64>());
    }
}
