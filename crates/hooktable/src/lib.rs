//! THE HOOK TABLE: one line for each function of libc that the library stands in front of.
//!
//! `for_each_hook!` calls a macro with all lines: that of `runtime` makes the hooks, that of the launcher what
//! `nosigpipe check` says of a call. docs/adding-a-hook.md tells how to add a line. A line says:
//!
//! 1. What the hook does with the real function:
//!    - `wraps`: it calls that one. The constructor looks it up, so that no signal handler and no child by vfork(2) has
//!      to do it first;
//!    - `wraps_for_caller`: the same, and on Linux the hook's body is told its return address;
//!    - `wraps_later`: the first call looks the real function up, since most programs never call it;
//!    - `wraps_version`: the same, and only callers that were linked with the version which the line names find the
//!      hook. It exists only where the linker can give functions versions (`crates/runtime/build.rs`);
//!    - `replaces`: it never calls the real function.
//! 2. Its [`Role`], from which `nosigpipe check` knows how a program's calls are covered.
//! 3. What a caller gets where the libc that is there lacks the function ([`Missing`]): on Linux a hook is there all the
//!    same.
//! 4. The version of glibc that brought the function, where glibc 2.17, the oldest that the library is for, lacks it. A
//!    program asks by dlsym(3), or by a weak reference, whether it has such a function, and would find a hook on every
//!    glibc: so the hook has that version (`wraps_version`), or does no harm where the function is missing.
//! 5. The family, whose file in `crates/runtime/src/hooks/` has the body, and the name and the signature, which the
//!    compiler compares with libc's. Where libc's name is none that Rust can write, it stands behind ours.
//!
//! The functions whose signatures a line can't say (execl and its like, vfork, clone, abort) are beside the table, in
//! `crates/runtime/src/hooks/`.

#![no_std]

/// What a hook is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It makes a socket, or receives one.
    Socket,
    /// It sends, with flags.
    Send,
    /// It writes to any kind of descriptor.
    Write,
    /// It sets or asks for a signal's action.
    Action,
    /// It starts a program.
    Child,
    /// Anything else.
    Other,
}

/// How a hook fails where the libc that is there does not have the function: as functions of its kind fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// It returns -1, with ENOSYS in errno.
    Errno,
    /// It returns ENOSYS.
    Number,
    /// It returns a null pointer, with ENOSYS in errno.
    Null,
    /// It returns thrd_error, as C11's functions for threads do.
    Thread,
    /// It ends the process as SIGABRT would be told by a shell. No line has that, but functions beside the table that
    /// never return.
    Ends,
    /// It does not fail, since it does without the function.
    Works,
}

/// Calls a macro with all lines of the table.
#[macro_export]
macro_rules! for_each_hook {
    ($macro:ident) => {
        $macro! {
            wraps            Socket Errno  socket::socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
            wraps            Socket Errno  socket::socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int;
            wraps            Socket Errno  socket::accept(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int;
            #[cfg(target_os = "linux")]
            wraps            Socket Errno  linux::accept4(fd: c_int, address: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int;
            wraps            Send   Errno  socket::send(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t;
            wraps            Send   Errno  socket::sendto(fd: c_int, data: *const c_void, length: size_t, flags: c_int, to: *const sockaddr, to_length: socklen_t) -> ssize_t;
            wraps            Send   Errno  socket::sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;
            #[cfg(target_os = "linux")]
            wraps            Send   Errno  linux::sendmmsg(fd: c_int, messages: *mut libc::mmsghdr, count: libc::c_uint, flags: c_int) -> c_int;

            #[cfg(target_os = "macos")]
            wraps            Socket Errno  macos::accept_nocancel = "accept$NOCANCEL"(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int;
            #[cfg(target_os = "macos")]
            wraps            Send   Errno  macos::send_nocancel = "send$NOCANCEL"(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t;
            #[cfg(target_os = "macos")]
            wraps            Send   Errno  macos::sendto_nocancel = "sendto$NOCANCEL"(fd: c_int, data: *const c_void, length: size_t, flags: c_int, to: *const sockaddr, to_length: socklen_t) -> ssize_t;
            #[cfg(target_os = "macos")]
            wraps            Send   Errno  macos::sendmsg_nocancel = "sendmsg$NOCANCEL"(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;

            // A descriptor that comes with a message may be a socket.
            #[cfg(target_os = "macos")]
            wraps            Socket Errno  macos::recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
            #[cfg(target_os = "macos")]
            wraps            Socket Errno  macos::recvmsg_nocancel = "recvmsg$NOCANCEL"(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
            #[cfg(target_os = "macos")]
            wraps            Socket Errno  macos::fileport_makefd(port: libc::mach_port_t) -> c_int;
            #[cfg(target_os = "macos")]
            wraps            Socket Errno  macos::xpc_fd_dup(object: *mut c_void) -> c_int;
            #[cfg(target_os = "macos")]
            wraps            Socket Errno  macos::xpc_dictionary_dup_fd(dictionary: *mut c_void, key: *const c_char) -> c_int;
            // On macOS no handler can tell what has raised SIGPIPE, so these hooks count broken pipes.
            #[cfg(target_os = "macos")]
            wraps            Write  Errno  macos::write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t;
            #[cfg(target_os = "macos")]
            wraps            Write  Errno  macos::write_nocancel = "write$NOCANCEL"(fd: c_int, data: *const c_void, length: size_t) -> ssize_t;
            #[cfg(target_os = "macos")]
            wraps            Write  Errno  macos::writev(fd: c_int, vectors: *const libc::iovec, count: c_int) -> ssize_t;
            #[cfg(target_os = "macos")]
            wraps            Write  Errno  macos::writev_nocancel = "writev$NOCANCEL"(fd: c_int, vectors: *const libc::iovec, count: c_int) -> ssize_t;

            replaces         Action Works  signal::sigaction(signum: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int;
            #[cfg(target_os = "linux")]
            replaces         Action Works  linux::__sigaction(signum: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int;
            replaces         Action Works  signal::signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
            replaces         Action Works  signal::bsd_signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
            #[cfg(target_os = "linux")]
            replaces         Action Works  linux::ssignal(signum: c_int, handler: sighandler_t) -> sighandler_t;
            #[cfg(target_os = "linux")]
            replaces         Action Works  linux::sysv_signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
            #[cfg(target_os = "linux")]
            replaces         Action Works  linux::__sysv_signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
            replaces         Action Works  signal::sigset(signum: c_int, disposition: sighandler_t) -> sighandler_t;
            replaces         Action Works  signal::sigignore(signum: c_int) -> c_int;
            replaces         Action Works  signal::siginterrupt(signum: c_int, interrupt: c_int) -> c_int;
            // A program may send itself a SIGPIPE by these, which looks like the kernel's own.
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::kill(pid: pid_t, signum: c_int) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::killpg(group: pid_t, signum: c_int) -> c_int;
            // By these it may take that one before it comes.
            #[cfg(target_os = "linux")]
            wraps_later      Other  Number linux::sigwait(set: *const libc::sigset_t, signum: *mut c_int) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::sigwaitinfo(set: *const libc::sigset_t, info: *mut libc::siginfo_t) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::sigtimedwait(set: *const libc::sigset_t, info: *mut libc::siginfo_t, timeout: *const libc::timespec) -> c_int;

            // Where a thread blocks all signals, those of its own faults stay unblocked.
            #[cfg(target_os = "linux")]
            wraps_later      Other  Number linux::pthread_sigmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::sigprocmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int;
            #[cfg(target_os = "linux")]
            replaces         Other  Works  linux::sighold(signum: c_int) -> c_int;
            #[cfg(target_os = "linux")]
            replaces         Other  Works  linux::sigrelse(signum: c_int) -> c_int;
            #[cfg(target_os = "linux")]
            replaces         Other  Works  linux::sigblock(mask: c_int) -> c_int;
            #[cfg(target_os = "linux")]
            replaces         Other  Works  linux::siggetmask() -> c_int;
            #[cfg(target_os = "linux")]
            replaces         Other  Works  linux::sigsetmask(mask: c_int) -> c_int;

            wraps            Other  Number thread::pthread_create(thread: *mut pthread_t, attributes: *const pthread_attr_t, routine: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void) -> c_int;

            // C11's functions: glibc makes their threads without calling pthread_create by its name. In a glibc that
            // lacks them, these hooks return thrd_error, as such a function does when it can't make a thread.
            #[cfg(target_os = "linux")]
            wraps_later      Other  Thread "GLIBC_2.28" linux::thrd_create(thread: *mut c_void, routine: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Thread "GLIBC_2.28" linux::tss_create(key: *mut c_void, destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;

            #[cfg(target_os = "linux")]
            replaces         Other  Works  linux::pthread_key_create(key: *mut libc::pthread_key_t, destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;
            // By these a program chooses its standard error.
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::dup2(old: c_int, new: c_int) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::dup3(old: c_int, new: c_int, flags: c_int) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Null   linux::freopen(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Null   linux::freopen64(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE;

            #[cfg(target_os = "linux")]
            replaces         Other  Works  linux::_exit(status: c_int) -> !;

            // execl, execlp and execle are in crates/runtime/src/hooks/list.rs: a line can't express variable
            // arguments.
            wraps            Child  Errno  exec::execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
            wraps            Child  Errno  exec::execv(path: *const c_char, arguments: *const *const c_char) -> c_int;
            wraps            Child  Errno  exec::execvp(file: *const c_char, arguments: *const *const c_char) -> c_int;
            #[cfg(target_os = "macos")]
            wraps            Child  Errno  macos::execvp_in = "execvP"(file: *const c_char, path: *const c_char, arguments: *const *mut c_char) -> c_int;
            #[cfg(target_os = "linux")]
            wraps            Child  Errno  linux::execvpe(file: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
            #[cfg(target_os = "linux")]
            wraps            Child  Errno  linux::fexecve(fd: c_int, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
            #[cfg(target_os = "linux")]
            replaces         Child  Works  "GLIBC_2.34" linux::execveat(directory: c_int, path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char, flags: c_int) -> c_int;

            #[cfg(target_os = "linux")]
            wraps_for_caller Child  Number linux::posix_spawn(pid: *mut pid_t, path: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
            #[cfg(target_os = "macos")]
            wraps            Child  Number macos::posix_spawn(pid: *mut pid_t, path: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_for_caller Child  Number linux::posix_spawnp(pid: *mut pid_t, file: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
            #[cfg(target_os = "macos")]
            wraps            Child  Number macos::posix_spawnp(pid: *mut pid_t, file: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_version    Child  Number "GLIBC_2.39" linux::pidfd_spawn(pidfd: *mut c_int, path: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
            #[cfg(target_os = "linux")]
            wraps_version    Child  Number "GLIBC_2.39" linux::pidfd_spawnp(pidfd: *mut c_int, file: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
            wraps            Child  Errno  spawn::system(command: *const c_char) -> c_int;
            #[cfg(target_os = "macos")]
            wraps            Child  Errno  macos::system_nocancel = "system$NOCANCEL"(command: *const c_char) -> c_int;
            wraps            Child  Null   spawn::popen(command: *const c_char, mode: *const c_char) -> *mut FILE;
            #[cfg(target_os = "macos")]
            wraps            Child  Null   macos::popen_extsn = "popen$DARWIN_EXTSN"(command: *const c_char, mode: *const c_char) -> *mut FILE;
            #[cfg(target_os = "linux")]
            wraps            Child  Errno  linux::wordexp(words: *const c_char, result: *mut c_void, flags: c_int) -> c_int;

            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::wait(status: *mut c_int) -> pid_t;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::wait3(status: *mut c_int, options: c_int, usage: *mut c_void) -> pid_t;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::wait4(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut libc::rusage) -> pid_t;
            #[cfg(target_os = "linux")]
            wraps_later      Other  Errno  linux::waitid(kind: libc::idtype_t, id: libc::id_t, info: *mut libc::siginfo_t, options: c_int) -> c_int;
        }
    };
}
