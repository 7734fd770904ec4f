//! What the process is called, what it was started with, and errno.

use super::freestanding::own_call;
use crate::platform::posix::{PathBuffer, base_name};
use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

use libc::{c_char, c_int, c_long, pid_t};

use crate::arch;

unsafe extern "C" {
    /// environ(7)
    static mut environ: *mut *mut c_char;
}

/// The environment's entries that begin with a prefix. No entry is read beyond where it differs.
pub fn environment(prefix: &'static [u8]) -> impl Iterator<Item = &'static CStr> {
    entries().filter_map(move |entry| {
        // SAFETY: an entry is a string.
        unsafe { starts_with(entry, prefix).then(|| CStr::from_ptr(entry)) }
    })
}

/// Whether a string begins so. Nothing behind a byte that differs, such as its end, is read.
///
/// # Safety
/// `string` is a string.
unsafe fn starts_with(string: *const c_char, prefix: &[u8]) -> bool {
    // A character has a sign on some processors only.
    let string = string.cast::<u8>();
    // SAFETY: the caller promises a string, and nothing is read behind a byte that differs, so not behind its end.
    prefix.iter().enumerate().all(|(index, &byte)| unsafe { *string.add(index) } == byte)
}

fn entries() -> impl Iterator<Item = *const c_char> {
    // SAFETY: environ is a null-terminated array of strings, or null after clearenv(3). Only the constructor reads it. A thread that
    // another library's constructor has started may call setenv(3) meanwhile: that is a race with getenv(3), too, which
    // programs have to avoid themselves.
    let mut next = unsafe { environ };
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

/// The calling process's environment, environ(7), as it is now.
pub fn own_environment() -> *const *const c_char {
    // SAFETY: read as libc's own exec functions read it.
    unsafe { environ }.cast_const().cast()
}

/// Whether the program runs with more rights than its caller has (AT_SECURE, getauxval(3)).
pub fn is_secure() -> bool {
    // SAFETY: getauxval reads the auxiliary vector and has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Base name of the executable file, symbolic links resolved; empty without /proc. `buffer` holds the path.
pub fn executable_name(buffer: &mut PathBuffer) -> &[u8] {
    // SAFETY: readlink writes at most the given number of bytes into the buffer, and says how many.
    let path = unsafe {
        let length = libc::readlink(c"/proc/self/exe".as_ptr(), buffer.as_mut_ptr().cast(), buffer.len());
        core::slice::from_raw_parts(buffer.as_ptr().cast::<u8>(), usize::try_from(length).unwrap_or(0))
    };
    base_name(path)
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

/// getpid(2), by the kernel: right in every kind of child.
pub fn pid() -> pid_t {
    // SAFETY: no preconditions.
    unsafe { libc::getpid() }
}

/// Whether a process group may be the caller's (getpgid(2)). It is not asked for where a seccomp filter may kill for that.
pub fn may_be_own_group(group: pid_t) -> bool {
    // SAFETY: no preconditions; 0 is the caller.
    let own = || crate::platform::keeping_errno(|| unsafe { super::system_call(libc::SYS_getpgid, [0; 6]) });
    super::is_filtered() || own() == c_long::from(group)
}

/// Offset of errno from the thread's control block, the same in every thread; 0 until [`learn_errno`].
static ERRNO: AtomicIsize = AtomicIsize::new(0);

/// Finds out where errno is. For the constructor: libc's own function reads the thread's control block, which lies at the upper end
/// of the thread's stack, where the program may have overwritten it.
pub fn learn_errno() {
    // SAFETY: the location is the calling thread's.
    let location = unsafe { libc::__errno_location().addr() };
    ERRNO.store(location as isize - arch::thread_pointer(), Relaxed);
}

/// Offset of errno from the thread's control block; 0 when it is not known.
pub(super) fn errno_offset() -> isize {
    ERRNO.load(Relaxed)
}

/// The calling thread's errno.
pub fn errno() -> c_int {
    let offset = ERRNO.load(Relaxed);
    // SAFETY: errno is in libc's thread-local storage, which every thread has at the same distance from its control block.
    unsafe {
        if offset == 0 {
            return *libc::__errno_location();
        }
        arch::thread_i32(offset)
    }
}

/// Sets the calling thread's errno.
pub fn set_errno(value: c_int) {
    let offset = ERRNO.load(Relaxed);
    // SAFETY: errno is in libc's thread-local storage, which every thread has at the same distance from its control block.
    unsafe {
        if offset == 0 {
            *libc::__errno_location() = value;
        } else {
            arch::set_thread_i32(offset, value);
        }
    }
}

/// Writes to standard error if that is still the same file and does not have to be waited for; raises no SIGPIPE. Whether it was
/// written.
pub fn write_stderr(bytes: &[u8]) -> bool {
    let Some(fd) = super::stderr() else { return false };
    let mut stderr = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let ready = super::freestanding::poll(core::slice::from_mut(&mut stderr), 0);
    if ready != 1 || stderr.revents & libc::POLLOUT == 0 {
        return false;
    }
    let was_pending = super::pending_signals() & 1 << (libc::SIGPIPE - 1) != 0;
    let was_blocked = super::change_mask(libc::SIG_BLOCK, libc::SIGPIPE);
    // SAFETY: the bytes are the caller's. Raw, so that no interposed write runs in a signal handler.
    let written = unsafe { own_call(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) };
    if written < 0 && errno() == libc::EPIPE && !was_pending {
        take_pending(libc::SIGPIPE);
    }
    if !was_blocked {
        super::change_mask(libc::SIG_UNBLOCK, libc::SIGPIPE);
    }
    written >= 0
}

/// Takes a pending signal, so that it is not delivered.
fn take_pending(signal: c_int) {
    let set = 1u64 << (signal - 1);
    let no_time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a kernel signal set of the size given, and a timeout of no time.
    unsafe {
        own_call(
            libc::SYS_rt_sigtimedwait,
            &raw const set,
            core::ptr::null::<u8>(),
            &raw const no_time,
            size_of::<u64>(),
        )
    };
}

/// Lets others run.
pub fn yield_now() {
    // SAFETY: no preconditions.
    unsafe { own_call(libc::SYS_sched_yield) };
}

/// Seconds on a clock that only goes forward.
pub fn seconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec.unsigned_abs()
}

/// Sends the calling thread a signal, and unblocks it.
pub fn raise_unblocked(signal: c_int) {
    // SAFETY: no pointers.
    unsafe { own_call(libc::SYS_tgkill, pid(), super::tid(), signal) };
    super::change_mask(libc::SIG_UNBLOCK, signal);
}

/// Whether the program has asked that no core file of it be written (prctl(2), PR_SET_DUMPABLE). The kernel's flag does not tell that:
/// a change of user or group clears it, too, and it stays clear when the first user is back.
static WANTS_NO_CORE_FILE: AtomicBool = AtomicBool::new(false);

/// To be called when the program asks for that. A child by vfork asks for its parent, too: the flag belongs to their memory.
pub fn note_no_core_file() {
    WANTS_NO_CORE_FILE.store(true, Relaxed);
}

/// Whether the program has asked for no core file of it, and has not taken that back.
pub fn has_given_up_core_files() -> bool {
    WANTS_NO_CORE_FILE.load(Relaxed) && !is_dumpable()
}

fn is_dumpable() -> bool {
    // SAFETY: no memory is involved.
    unsafe { own_call(libc::SYS_prctl, libc::PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 }
}

/// Raises RLIMIT_CORE's soft limit, as far as the hard limit lets it. For the constructor.
pub fn raise_core_limit(bytes: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours.
    unsafe {
        if own_call(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, 0, &raw mut limit) == 0 {
            limit.rlim_cur = bytes.min(limit.rlim_max);
            own_call(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const limit, 0);
        }
    }
}

/// Sets RLIMIT_CORE to 0, in a copy.
pub fn lower_core_limit() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is ours.
    unsafe { own_call(libc::SYS_prlimit64, 0, libc::RLIMIT_CORE, &raw const none, 0) };
}

// A weak reference: 0 where the function is not defined. It belongs to the allocators of ASan, HWASan, LSan, MSan and TSan. UBSan's
// runtime has no allocator: GCC's does not handle crashes, and Clang's has installed its handlers before we are loaded.
core::arch::global_asm!(
    ".weak __sanitizer_get_heap_size",
    ".pushsection .data.rel.ro, \"aw\"",
    ".balign 8",
    "nosigpipe_sanitizer: .quad __sanitizer_get_heap_size",
    ".popsection",
);

/// Whether the runtime of a sanitizer that reports crashes itself is in the process: crash signals are its own.
pub fn is_sanitized() -> bool {
    unsafe extern "C" {
        static nosigpipe_sanitizer: usize;
    }
    // SAFETY: defined above; the loader has written it before our constructor runs.
    unsafe { (&raw const nosigpipe_sanitizer).read_volatile() != 0 }
}
