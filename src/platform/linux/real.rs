//! The functions behind the hooks: the next ones of their names in the loader's search order, so that another preload
//! behind us is called, too.
//!
//! redhook looks them up behind a `std::sync::Once`, in which a signal handler or a vforked child could wait for ever;
//! here every caller may look up, and all find the same.

use core::ffi::CStr;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use libc::{ENOSYS, c_void};

/// Address of one real function, once it has been looked up.
pub struct Real(AtomicPtr<c_void>);

impl Real {
    /// Not looked up yet.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The address; `name` ends in a zero byte.
    #[inline(always)]
    pub fn address(&self, name: &'static str) -> *mut c_void {
        let address = self.0.load(Relaxed);
        if address.is_null() { self.look_up(name) } else { address }
    }

    #[cold]
    #[inline(never)]
    fn look_up(&self, name: &'static str) -> *mut c_void {
        let name = CStr::from_bytes_with_nul(name.as_bytes()).unwrap_or_default();
        // SAFETY: the name is a string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        let address = if found.is_null() { missing as *mut c_void } else { found };
        self.0.store(address, Relaxed);
        address
    }
}

/// In place of a function that this libc does not have.
extern "C" fn missing() -> isize {
    super::set_errno(ENOSYS);
    -1
}
