//! Bodies of the hooks that only macOS has, a file for each family.
//!
//! `NAME_nocancel` is the symbol `NAME$NOCANCEL`, for code that was compiled without cancellation points (sys/cdefs.h,
//! `__DARWIN_NON_CANCELABLE`); `NAME_extsn` is `NAME$DARWIN_EXTSN`, for C code that was compiled with Darwin's extensions. Each does
//! what the hook of NAME does, around the real function of its own name.

mod exec;
mod list;
pub mod prototypes;
mod socket;
mod spawn;
mod write;

pub use exec::{execvp_in, execvp_with};
pub use socket::{
    accept_nocancel, fileport_makefd, recvmsg, recvmsg_nocancel, send_nocancel, sendmsg_nocancel, sendto_nocancel,
    xpc_dictionary_dup_fd, xpc_fd_dup,
};
pub use spawn::{popen_extsn, posix_spawn, posix_spawnp, system_nocancel};
pub use write::{write, write_nocancel, writev, writev_nocancel};
