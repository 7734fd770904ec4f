//! _exit(2), which waits while another thread is reporting a crash. Threads of C11, which glibc makes without calling
//! pthread_create by its name. And keys of thread-specific data, of which one is ours.

use libc::{c_int, c_void};

use crate::crash;
use crate::hooks::real;
use crate::platform::{exit_now, real_key_create};

/// _exit(2). While another thread is reporting a crash, the process is to end by that crash, as it would without us.
pub unsafe fn _exit(status: c_int) -> ! {
    if crash::is_active() {
        crash::wait_for_crash_in_progress();
    }
    exit_now(status)
}

/// thrd_create(3)
pub unsafe fn thrd_create(thread: *mut c_void, routine: crash::Routine, argument: *mut c_void) -> c_int {
    let create = |routine, argument| {
        // SAFETY: the caller's arguments, but for the last two, which may be our own function and what it needs to call
        // the caller's.
        unsafe { real::thrd_create()(thread, routine, argument) }
    };
    if crash::is_active() { crash::create_thread(routine, argument, create) } else { create(routine, argument) }
}

/// tss_create(3). If there is no key left, ours is deleted for the program, and the call is made again.
pub unsafe fn tss_create(key: *mut c_void, destructor: Option<unsafe extern "C" fn(*mut c_void)>) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let create = || unsafe { real::tss_create()(key, destructor) };
    let result = create();
    if result != 0 && crash::release_key() { create() } else { result }
}

/// pthread_key_create(3). If there is no key left, ours is deleted for the program, and the call is made again.
pub unsafe fn pthread_key_create(
    key: *mut libc::pthread_key_t,
    destructor: Option<unsafe extern "C" fn(*mut c_void)>,
) -> c_int {
    // SAFETY: the caller's arguments, as the caller gave them.
    let create = || unsafe { real_key_create::real()(key, destructor) };
    match create() {
        libc::EAGAIN if crash::release_key() => create(),
        result => result,
    }
}
