//! What the process is called, what it was started with, and errno.

use crate::platform::posix::{PathBuffer, base_name, keeping_errno};
use core::ffi::CStr;

use libc::{c_char, c_int, pid_t};

use crate::arch::Registers;

unsafe extern "C" {
    /// environ(7), which a library can't name (crt_externs.h)
    fn _NSGetEnviron() -> *mut *mut *mut c_char;
    /// mach-o/dyld.h
    fn _NSGetExecutablePath(buffer: *mut c_char, length: *mut u32) -> c_int;
    /// crt_externs.h
    fn _NSGetArgv() -> *mut *mut *mut c_char;
}

/// Has a function called in every child that fork makes. For the constructor, once: the library is never unloaded.
pub fn at_fork(child: extern "C" fn()) {
    // SAFETY: the library, and so the function, stays.
    unsafe { libc::pthread_atfork(None, None, Some(child)) };
}

/// The environment's entries that begin with a prefix. No entry is read beyond where it differs.
pub fn environment(prefix: &'static [u8]) -> impl Iterator<Item = &'static CStr> {
    entries().filter_map(move |entry| {
        // SAFETY: an entry is a string; nothing behind a byte that differs, such as its end, is read.
        unsafe {
            let matches = prefix.iter().enumerate().all(|(index, &byte)| *entry.add(index) as u8 == byte);
            matches.then(|| CStr::from_ptr(entry))
        }
    })
}

fn entries() -> impl Iterator<Item = *const c_char> {
    // SAFETY: environ is a null-terminated array of strings, or null. Only the constructor reads it. A thread that
    // another library's constructor has started may call setenv(3) meanwhile: that is a race with getenv(3), too, which
    // programs have to avoid themselves.
    let mut next = unsafe { *_NSGetEnviron() };
    core::iter::from_fn(move || {
        if next.is_null() {
            return None;
        }
        // SAFETY: `next` has not passed the terminating null pointer.
        unsafe {
            let entry = *next;
            next = next.add(1);
            (!entry.is_null()).then_some(entry.cast_const())
        }
    })
}

/// Adds an entry to the environment, without malloc. For the constructor; does nothing when there is no memory.
pub fn hand_on(entry: &'static CStr) {
    let count = entries().count();
    let bytes = (count + 2) * size_of::<*mut c_char>();
    // SAFETY: an anonymous mapping of fresh memory, written within its size. The old array of environ stays as it is, for code that
    // has its address.
    unsafe {
        let memory = libc::mmap(
            core::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        );
        if memory == libc::MAP_FAILED {
            return;
        }
        let array: *mut *mut c_char = memory.cast();
        if count > 0 {
            core::ptr::copy_nonoverlapping(*_NSGetEnviron(), array, count);
        }
        array.add(count).write(entry.as_ptr().cast_mut());
        // The mapping is all zero bytes: the terminating null pointer is there.
        *_NSGetEnviron() = array;
    }
}

/// Calls with the given environment: the process's own has the entry of [`hand_on`] here.
pub fn with_environment<T>(environment: *const *const c_char, call: impl FnOnce(*const *const c_char) -> T) -> T {
    call(environment)
}

/// The calling process's environment, where something is to be added to it for others: not here.
pub fn own_environment() -> *const *const c_char {
    core::ptr::null()
}

/// The parent, if it has this library: its environment says so.
pub fn parent_with_library() -> Option<pid_t> {
    None
}

/// Whether the program runs with more rights than its caller has. dyld inserts nothing into such a program.
pub fn is_secure() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::issetugid() != 0 }
}

/// Base name of the executable file as it was started; empty when its path does not fit. `buffer` holds the path.
pub fn executable_name(buffer: &mut PathBuffer) -> &[u8] {
    let mut length = libc::PATH_MAX as u32;
    // SAFETY: on success the function has written a string of at most `length` bytes into the buffer.
    let path = unsafe {
        if _NSGetExecutablePath(buffer.as_mut_ptr().cast(), &raw mut length) != 0 {
            return b"";
        }
        CStr::from_ptr(buffer.as_ptr().cast()).to_bytes()
    };
    base_name(path)
}

/// Base name of what the program was called as (`argv[0]`), without a login shell's dash.
pub fn invocation_name() -> &'static [u8] {
    // SAFETY: dyld has set the array before any constructor runs.
    let arguments = unsafe { *_NSGetArgv() };
    // SAFETY: a null-terminated array; the first entry is there, at least as the terminating null pointer.
    let name = if arguments.is_null() { core::ptr::null_mut() } else { unsafe { *arguments } };
    if name.is_null() {
        return b"";
    }
    // SAFETY: not null, so a string.
    let name = base_name(unsafe { CStr::from_ptr(name) }.to_bytes());
    name.strip_prefix(b"-").unwrap_or(name)
}

/// getpid(2)
pub fn pid() -> pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::getpid() }
}

/// The calling thread's errno.
pub fn errno() -> c_int {
    // SAFETY: the location is valid for the calling thread.
    unsafe { *libc::__error() }
}

/// Sets the calling thread's errno.
pub fn set_errno(value: c_int) {
    // SAFETY: the location is valid for the calling thread.
    unsafe { *libc::__error() = value }
}

/// Remembers what standard error is: here it is descriptor 2, whatever the program has made of that.
pub fn learn_stderr() {}

/// Whether what is in this process must not be shown to the user who has started it.
pub fn is_confidential() -> bool {
    is_secure()
}

/// Standard error.
pub fn stderr() -> Option<c_int> {
    Some(libc::STDERR_FILENO)
}

/// There are no drafts here: no copy is made that could be ended.
pub fn rename_report(_directory: &CStr, _from: &CStr, _to: &CStr) -> bool {
    false
}

/// Likewise.
pub fn remove_unfinished(_directory: &CStr, _name: &CStr) {}

/// Whether reports can be written to a directory, as things are; the error if not. For the constructor.
pub fn open_report_directory(path: &CStr) -> Result<(), c_int> {
    // SAFETY: the path is a string.
    if unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) } == 0 { Ok(()) } else { Err(errno()) }
}

/// Writes to standard error if that takes no waiting, and never raises SIGPIPE. Whether it was written.
pub fn write_stderr(bytes: &[u8]) -> bool {
    let mut stderr = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd, and a timeout of no time.
    let ready = unsafe { libc::poll(&raw mut stderr, 1, 0) };
    ready == 1
        && may_be_written(&stderr)
        && without_sigpipe(libc::STDERR_FILENO, || {
            // SAFETY: the bytes are the caller's.
            unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) >= 0 }
        })
}

/// Whether a descriptor can be written to, by what poll(2) has told of it. It does not know all devices (poll(2), BUGS),
/// among them /dev/tty, and calls such a descriptor none.
pub fn may_be_written(poll: &libc::pollfd) -> bool {
    // SAFETY: asks for flags only.
    poll.revents & libc::POLLOUT != 0
        || poll.revents & libc::POLLNVAL != 0 && unsafe { libc::fcntl(poll.fd, libc::F_GETFL) } != -1
}

/// Runs `body`, whose writes to `fd` raise no SIGPIPE. Blocking the signal would not prevent it: it is sent to the process, and another
/// thread would get it.
pub fn without_sigpipe<T>(fd: c_int, body: impl FnOnce() -> T) -> T {
    // All processes that have the pipe open share this flag: so it is set for the time of the write only.
    // SAFETY: fcntl takes an int here.
    let set = |on: c_int| unsafe { libc::fcntl(fd, libc::F_SETNOSIGPIPE, on) == 0 };
    // SAFETY: fcntl takes no further argument here.
    let was_set = unsafe { libc::fcntl(fd, libc::F_GETNOSIGPIPE) == 0 } && set(1);
    let value = body();
    if was_set {
        keeping_errno(|| set(0));
    }
    value
}

/// Lets others run.
pub fn yield_now() {
    // SAFETY: no preconditions.
    unsafe { libc::sched_yield() };
}

/// Seconds on a clock that only goes forward.
pub fn seconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.unsigned_abs()
}

/// Blocks or unblocks (SIG_BLOCK, SIG_UNBLOCK) one signal in the calling thread; whether it was blocked.
pub fn change_mask(how: c_int, signal: c_int) -> bool {
    let set: libc::sigset_t = 1 << (signal - 1);
    let mut before: libc::sigset_t = 0;
    // SAFETY: both sets are ours.
    unsafe { libc::pthread_sigmask(how, &raw const set, &raw mut before) };
    before & set != 0
}

/// Sends the calling thread a signal, and unblocks it.
pub fn raise_unblocked(signal: c_int) {
    // SAFETY: the calling thread exists.
    unsafe { libc::pthread_kill(libc::pthread_self(), signal) };
    change_mask(libc::SIG_UNBLOCK, signal);
}

/// Whether the program has asked for no core file of it: nothing tells that here.
pub fn has_given_up_core_files() -> bool {
    false
}

/// Raises RLIMIT_CORE's soft limit, as far as the hard limit lets it. For the constructor.
pub fn raise_core_limit(bytes: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) == 0 {
            limit.rlim_cur = bytes.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        }
    }
}

/// Whether a sanitizer's runtime is in the process: crash signals are its own. For the constructor.
pub fn is_sanitized() -> bool {
    // SAFETY: the name is a string. All sanitizers' runtimes have this function in common.
    unsafe { !libc::dlsym(libc::RTLD_DEFAULT, c"__sanitizer_set_report_path".as_ptr()).is_null() }
}

/// Whether the thread with these registers is in abort(3): whether a return address in abort is on the stack.
pub fn is_in_abort(registers: &Registers) -> bool {
    /// Bytes of abort's code; more than it has in any version of libsystem_c.
    const CODE: u64 = 0x400;
    /// Addresses on the stack that are looked at.
    const SEARCHED: usize = 128;
    let start = libc::abort as *const () as u64;
    let code = start..start + CODE;
    let mut stack = [0; SEARCHED * 8];
    let length = super::read_memory(pid(), registers.sp(), &mut stack);
    stack
        .chunks_exact(8)
        .take(length / 8)
        .any(|slot| slot.try_into().is_ok_and(|slot| code.contains(&u64::from_le_bytes(slot))))
}

/// Finds out where errno is: libc's own function is asked here.
pub fn learn_errno() {}

/// Whether there may be a log.
pub fn has_log() -> bool {
    true
}

/// No process has another one's table of signal actions here.
pub fn shares_actions() -> bool {
    false
}

/// Whether the caller may be a child that shares our memory, so that its pid must be asked for.
pub fn may_be_vm_child() -> bool {
    true
}

/// A forked child has its own memory.
pub fn forget_vm_children() {}

/// Whether a system call that libc would not have made could be the process's end.
pub fn is_filtered() -> bool {
    false
}
