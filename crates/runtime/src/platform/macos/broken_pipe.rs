//! What the kernel tells of a broken pipe: nothing.

/// Whether SIGPIPE comes to the thread whose call failed, at that call's return, so that a handler can tell what broke.
pub const SIGPIPE_IS_SYNCHRONOUS: bool = false;
