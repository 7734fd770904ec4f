//! wait(2) and its like: they note by which signal a child was killed. A program that raises the same signal
//! afterwards, as timeout(1) does so that its caller sees it, has not crashed.

use libc::{c_int, c_void, id_t, idtype_t, pid_t, rusage, siginfo_t};

use crate::crash;
use crate::hooks::real;

pub unsafe fn wait(status: *mut c_int) -> pid_t {
    // SAFETY: the caller's argument, as the caller gave it, and the call's own result.
    unsafe { noting(status, real::wait()(status)) }
}

pub unsafe fn waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    // SAFETY: the caller's arguments, as the caller gave them, and the call's own result.
    unsafe { noting(status, real::waitpid()(pid, status, options)) }
}

pub unsafe fn wait3(status: *mut c_int, options: c_int, usage: *mut c_void) -> pid_t {
    // SAFETY: the caller's arguments, as the caller gave them, and the call's own result.
    unsafe { noting(status, real::wait3()(status, options, usage)) }
}

pub unsafe fn wait4(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    // SAFETY: the caller's arguments, as the caller gave them, and the call's own result.
    unsafe { noting(status, real::wait4()(pid, status, options, usage)) }
}

pub unsafe fn waitid(kind: idtype_t, id: id_t, info: *mut siginfo_t, options: c_int) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let result = unsafe { real::waitid()(kind, id, info, options) };
    if result == 0 && !info.is_null() {
        // SAFETY: the call has filled the caller's structure; without a child, its code is 0.
        let (code, status) = unsafe { ((*info).si_code, (*info).si_status()) };
        match code {
            libc::CLD_KILLED | libc::CLD_DUMPED => crash::child_ended(status),
            libc::CLD_EXITED => crash::child_ended(0),
            _ => {}
        }
    }
    result
}

/// Notes how a child has ended, and returns `child`.
///
/// # Safety
/// `child` was returned by a call of wait(2)'s family that was given `status`, which is null or writable.
unsafe fn noting(status: *const c_int, child: pid_t) -> pid_t {
    if child > 0 && !status.is_null() {
        // SAFETY: not null, and the call has returned a child, so it has written that one's status.
        let status = unsafe { *status };
        if libc::WIFSIGNALED(status) {
            crash::child_ended(libc::WTERMSIG(status));
        } else if libc::WIFEXITED(status) {
            crash::child_ended(0);
        }
    }
    child
}
