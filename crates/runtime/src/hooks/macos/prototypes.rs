//! The prototypes that the hook table's signatures are compared with: the libc crate's, and below, as their manual pages
//! and headers have them, those that it does not declare.

pub use libc::*;

// A twin has its original's signature, and execvP a name that is none here.
pub use libc::{
    accept as accept_nocancel, execvP as execvp_in, popen as popen_extsn, recvmsg as recvmsg_nocancel,
    send as send_nocancel, sendmsg as sendmsg_nocancel, sendto as sendto_nocancel, system as system_nocancel,
    write as write_nocancel, writev as writev_nocancel,
};

unsafe extern "C" {
    /// bsd_signal(3)
    pub fn bsd_signal(signal: c_int, handler: sighandler_t) -> sighandler_t;
    /// sys/fileport.h
    pub fn fileport_makefd(port: mach_port_t) -> c_int;
    /// xpc/xpc.h; an object is only passed on.
    pub fn xpc_fd_dup(object: *mut c_void) -> c_int;
    /// xpc/xpc.h
    pub fn xpc_dictionary_dup_fd(dictionary: *mut c_void, key: *const c_char) -> c_int;
    /// sigset(3)
    pub fn sigset(signal: c_int, disposition: sighandler_t) -> sighandler_t;
    /// sigset(3)
    pub fn sigignore(signal: c_int) -> c_int;
    /// siginterrupt(3)
    pub fn siginterrupt(signal: c_int, interrupt: c_int) -> c_int;
}

/// sigset(3): block the signal.
pub const SIG_HOLD: sighandler_t = 5;
