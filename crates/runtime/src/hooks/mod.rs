//! THE HOOK TABLE: one line for each function of libc that the library stands in front of.
//!
//! A line names the family, whose file has the body, and the signature, which the compiler compares with libc's. From
//! it come the exported symbol, `real::NAME()` and, on macOS, the interpose entry. Where libc's name is none that Rust can
//! write, it stands behind ours. docs/adding-a-hook.md is the recipe.
//!
//! The constructor looks up the real function of every line that says `real` or `caller`, so that no signal handler or vforked
//! child is the first that needs it. The bodies of the lines that say `instead` never call the real function; those that say
//! `later` look it up when they are called first. Those that say `caller` are told their return address besides.

pub(crate) mod exec;
pub(crate) mod list;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod spawn;
mod thread;
#[macro_use]
mod table;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(target_os = "macos")]
use macos as system;

use libc::{
    FILE, c_char, c_int, c_void, msghdr, pid_t, posix_spawn_file_actions_t, posix_spawnattr_t, pthread_attr_t,
    pthread_t, sigaction as sigaction_t, sighandler_t, size_t, sockaddr, socklen_t, ssize_t,
};

hooks! {
    real    socket::socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    real    socket::socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int;
    real    socket::accept(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int;
    #[cfg(target_os = "linux")]
    real    linux::accept4(fd: c_int, address: *mut sockaddr, length: *mut socklen_t, flags: c_int) -> c_int;
    real    socket::send(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t;
    real    socket::sendto(fd: c_int, data: *const c_void, length: size_t, flags: c_int, to: *const sockaddr, to_length: socklen_t) -> ssize_t;
    real    socket::sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;
    #[cfg(target_os = "linux")]
    real    linux::sendmmsg(fd: c_int, messages: *mut libc::mmsghdr, count: libc::c_uint, flags: c_int) -> c_int;

    #[cfg(target_os = "macos")]
    real    macos::accept_nocancel = "accept$NOCANCEL"(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int;
    #[cfg(target_os = "macos")]
    real    macos::send_nocancel = "send$NOCANCEL"(fd: c_int, data: *const c_void, length: size_t, flags: c_int) -> ssize_t;
    #[cfg(target_os = "macos")]
    real    macos::sendto_nocancel = "sendto$NOCANCEL"(fd: c_int, data: *const c_void, length: size_t, flags: c_int, to: *const sockaddr, to_length: socklen_t) -> ssize_t;
    #[cfg(target_os = "macos")]
    real    macos::sendmsg_nocancel = "sendmsg$NOCANCEL"(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t;

    // A descriptor that comes with a message may be a socket.
    #[cfg(target_os = "macos")]
    real    macos::recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
    #[cfg(target_os = "macos")]
    real    macos::recvmsg_nocancel = "recvmsg$NOCANCEL"(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t;
    #[cfg(target_os = "macos")]
    real    macos::fileport_makefd(port: libc::mach_port_t) -> c_int;
    #[cfg(target_os = "macos")]
    real    macos::xpc_fd_dup(object: *mut c_void) -> c_int;
    #[cfg(target_os = "macos")]
    real    macos::xpc_dictionary_dup_fd(dictionary: *mut c_void, key: *const c_char) -> c_int;
    // No signal tells of their broken pipes, so these count them.
    #[cfg(target_os = "macos")]
    real    macos::write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t;
    #[cfg(target_os = "macos")]
    real    macos::write_nocancel = "write$NOCANCEL"(fd: c_int, data: *const c_void, length: size_t) -> ssize_t;
    #[cfg(target_os = "macos")]
    real    macos::writev(fd: c_int, vectors: *const libc::iovec, count: c_int) -> ssize_t;
    #[cfg(target_os = "macos")]
    real    macos::writev_nocancel = "writev$NOCANCEL"(fd: c_int, vectors: *const libc::iovec, count: c_int) -> ssize_t;

    instead signal::sigaction(signum: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int;
    #[cfg(target_os = "linux")]
    instead linux::__sigaction(signum: c_int, new: *const sigaction_t, old: *mut sigaction_t) -> c_int;
    instead signal::signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
    instead signal::bsd_signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
    #[cfg(target_os = "linux")]
    instead linux::ssignal(signum: c_int, handler: sighandler_t) -> sighandler_t;
    #[cfg(target_os = "linux")]
    instead linux::sysv_signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
    #[cfg(target_os = "linux")]
    instead linux::__sysv_signal(signum: c_int, handler: sighandler_t) -> sighandler_t;
    instead signal::sigset(signum: c_int, disposition: sighandler_t) -> sighandler_t;
    instead signal::sigignore(signum: c_int) -> c_int;
    instead signal::siginterrupt(signum: c_int, interrupt: c_int) -> c_int;
    // By which a program sends itself a SIGPIPE that looks like the kernel's.
    #[cfg(target_os = "linux")]
    later   linux::kill(pid: pid_t, signum: c_int) -> c_int;
    #[cfg(target_os = "linux")]
    later   linux::killpg(group: pid_t, signum: c_int) -> c_int;

    // Where a thread blocks all signals, its own faults are let through.
    #[cfg(target_os = "linux")]
    later   linux::pthread_sigmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int;
    #[cfg(target_os = "linux")]
    later   linux::sigprocmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int;
    #[cfg(target_os = "linux")]
    instead linux::sighold(signum: c_int) -> c_int;
    #[cfg(target_os = "linux")]
    instead linux::sigrelse(signum: c_int) -> c_int;
    #[cfg(target_os = "linux")]
    instead linux::sigblock(mask: c_int) -> c_int;
    #[cfg(target_os = "linux")]
    instead linux::siggetmask() -> c_int;

    real    thread::pthread_create(thread: *mut pthread_t, attributes: *const pthread_attr_t, routine: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void) -> c_int;

    #[cfg(target_os = "linux")]
    instead linux::pthread_key_create(key: *mut libc::pthread_key_t, destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> c_int;
    // What the program makes its standard error. Looked up when they are called first: most programs never do.
    #[cfg(target_os = "linux")]
    later   linux::dup2(old: c_int, new: c_int) -> c_int;
    #[cfg(target_os = "linux")]
    later   linux::dup3(old: c_int, new: c_int, flags: c_int) -> c_int;
    #[cfg(target_os = "linux")]
    later   linux::freopen(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE;
    #[cfg(target_os = "linux")]
    later   linux::freopen64(path: *const c_char, mode: *const c_char, stream: *mut FILE) -> *mut FILE;

    #[cfg(target_os = "linux")]
    instead linux::_exit(status: c_int) -> !;

    // execl, execlp and execle are beside these, in list.rs: a line can't say their signature.
    real    exec::execve(path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
    real    exec::execv(path: *const c_char, arguments: *const *const c_char) -> c_int;
    real    exec::execvp(file: *const c_char, arguments: *const *const c_char) -> c_int;
    #[cfg(target_os = "macos")]
    real    macos::execvp_in = "execvP"(file: *const c_char, path: *const c_char, arguments: *const *mut c_char) -> c_int;
    #[cfg(target_os = "linux")]
    real    linux::execvpe(file: *const c_char, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
    #[cfg(target_os = "linux")]
    real    linux::fexecve(fd: c_int, arguments: *const *const c_char, environment: *const *const c_char) -> c_int;
    #[cfg(target_os = "linux")]
    instead linux::execveat(directory: c_int, path: *const c_char, arguments: *const *const c_char, environment: *const *const c_char, flags: c_int) -> c_int;

    #[cfg(target_os = "linux")]
    caller  linux::posix_spawn(pid: *mut pid_t, path: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    #[cfg(target_os = "macos")]
    real    macos::posix_spawn(pid: *mut pid_t, path: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    #[cfg(target_os = "linux")]
    caller  linux::posix_spawnp(pid: *mut pid_t, file: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    #[cfg(target_os = "macos")]
    real    macos::posix_spawnp(pid: *mut pid_t, file: *const c_char, actions: *const posix_spawn_file_actions_t, attributes: *const posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    real    spawn::system(command: *const c_char) -> c_int;
    #[cfg(target_os = "macos")]
    real    macos::system_nocancel = "system$NOCANCEL"(command: *const c_char) -> c_int;
    real    spawn::popen(command: *const c_char, mode: *const c_char) -> *mut FILE;
    #[cfg(target_os = "macos")]
    real    macos::popen_extsn = "popen$DARWIN_EXTSN"(command: *const c_char, mode: *const c_char) -> *mut FILE;
    #[cfg(target_os = "linux")]
    real    linux::wordexp(words: *const c_char, result: *mut c_void, flags: c_int) -> c_int;

    #[cfg(target_os = "linux")]
    later   linux::wait(status: *mut c_int) -> pid_t;
    #[cfg(target_os = "linux")]
    later   linux::waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t;
    #[cfg(target_os = "linux")]
    later   linux::wait3(status: *mut c_int, options: c_int, usage: *mut c_void) -> pid_t;
    #[cfg(target_os = "linux")]
    later   linux::wait4(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut libc::rusage) -> pid_t;
    #[cfg(target_os = "linux")]
    later   linux::waitid(kind: libc::idtype_t, id: libc::id_t, info: *mut libc::siginfo_t, options: c_int) -> c_int;
}
