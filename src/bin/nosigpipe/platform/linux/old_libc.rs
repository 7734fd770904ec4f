//! What glibc does not have as far back as the launcher runs, in its words. `build/old_libc.rs` hides what is newer.

use libc::{AT_FDCWD, AT_SYMLINK_NOFOLLOW, SYS_fstat, SYS_newfstatat, c_char, c_int, c_void};

/// fstat(2), for the standard library; since 2.33.
#[unsafe(no_mangle)]
unsafe extern "C" fn fstat64(fd: c_int, status: *mut libc::stat64) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { libc::syscall(SYS_fstat, fd, status) as c_int }
}

/// stat(2), for the standard library; since 2.33.
#[unsafe(no_mangle)]
unsafe extern "C" fn stat64(path: *const c_char, status: *mut libc::stat64) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { libc::syscall(SYS_newfstatat, AT_FDCWD, path, status, 0) as c_int }
}

/// lstat(2), for the standard library; since 2.33.
#[unsafe(no_mangle)]
unsafe extern "C" fn lstat64(path: *const c_char, status: *mut libc::stat64) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    unsafe { libc::syscall(SYS_newfstatat, AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW) as c_int }
}

/// For the unwinder in libgcc; since 2.35. It finds nothing: only a panic's backtrace would ask, which in a program without
/// symbols says nothing.
#[unsafe(no_mangle)]
extern "C" fn _dl_find_object(_address: *const c_void, _result: *mut c_void) -> c_int {
    -1
}
