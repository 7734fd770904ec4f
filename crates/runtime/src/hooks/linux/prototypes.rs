//! The prototypes that the hook table's signatures are compared with: the libc crate's, and below, as their manual
//! pages and headers have them, those that it does not declare.

pub use libc::*;

use libc::sigaction as sigaction_t;

unsafe extern "C" {
    /// signal/Versions (GLIBC_2.2.5): `sigaction` under its internal name.
    pub fn __sigaction(signal: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int;
    /// bsd_signal(3)
    pub fn bsd_signal(signal: c_int, handler: sighandler_t) -> sighandler_t;
    /// ssignal(3)
    pub fn ssignal(signal: c_int, handler: sighandler_t) -> sighandler_t;
    /// sysv_signal(3)
    pub fn sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t;
    /// What `signal` is with strict ISO C or X/Open headers (signal.h).
    pub fn __sysv_signal(signal: c_int, handler: sighandler_t) -> sighandler_t;
    /// sigset(3)
    pub fn sigset(signal: c_int, disposition: sighandler_t) -> sighandler_t;
    /// sigset(3)
    pub fn sighold(signal: c_int) -> c_int;
    /// sigset(3)
    pub fn sigrelse(signal: c_int) -> c_int;
    /// sigvec(3)
    pub fn sigblock(mask: c_int) -> c_int;
    /// sigvec(3)
    pub fn siggetmask() -> c_int;
    /// sigvec(3)
    pub fn sigsetmask(mask: c_int) -> c_int;
    /// sigset(3)
    pub fn sigignore(signal: c_int) -> c_int;
    /// siginterrupt(3)
    pub fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int;
    /// wait3(2); the structure is only passed on.
    pub fn wait3(status: *mut c_int, options: c_int, usage: *mut c_void) -> pid_t;
    /// execveat(2)
    pub fn execveat(
        directory: c_int,
        path: *const c_char,
        arguments: *const *const c_char,
        environment: *const *const c_char,
        flags: c_int,
    ) -> c_int;
    /// freopen(3), by the name that it has with 64-bit file offsets.
    pub fn freopen64(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE;
    /// spawn.h (glibc 2.39): posix_spawn(3), with a descriptor in the place of the pid.
    pub fn pidfd_spawn(
        pidfd: *mut c_int,
        path: *const c_char,
        actions: *const posix_spawn_file_actions_t,
        attributes: *const posix_spawnattr_t,
        arguments: *const *mut c_char,
        environment: *const *mut c_char,
    ) -> c_int;
    /// spawn.h (glibc 2.39)
    pub fn pidfd_spawnp(
        pidfd: *mut c_int,
        file: *const c_char,
        actions: *const posix_spawn_file_actions_t,
        attributes: *const posix_spawnattr_t,
        arguments: *const *mut c_char,
        environment: *const *mut c_char,
    ) -> c_int;
    /// threads.h: what `routine` returns is an int, in the same register.
    pub fn thrd_create(
        thread: *mut c_void,
        routine: extern "C" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> c_int;
    /// threads.h
    pub fn tss_create(key: *mut c_void, destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;
    /// wordexp(3); the structure is only passed on.
    pub fn wordexp(words: *const c_char, result: *mut c_void, flags: c_int) -> c_int;
}

/// sigset(3): block the signal.
pub const SIG_HOLD: sighandler_t = 2;
