//! Programs started by posix_spawn(3).

use libc::{c_int, posix_spawnattr_t};

/// Calls `spawn` with attributes that let the child start with `signal` at its default action; `None`, without a call,
/// where these attributes can't be given that. Here the guard handler does as well, and costs nothing.
pub fn spawn_with_default(
    _signal: c_int,
    _attributes: *const posix_spawnattr_t,
    _spawn: impl FnOnce(*const posix_spawnattr_t) -> c_int,
) -> Option<c_int> {
    None
}
