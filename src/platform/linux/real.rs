//! The functions behind the hooks: the next ones of their names in the loader's search order, so that another preload
//! behind us is called, too.
//!
//! redhook looks them up behind a `std::sync::Once`, in which a signal handler or a vforked child could wait for ever;
//! here every caller may look up, and all find the same.

use core::ffi::CStr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use libc::ENOSYS;

/// Address of one real function; until it has been looked up, of one that does that.
pub struct Real(AtomicPtr<()>);

impl Real {
    /// Not looked up yet.
    pub const fn new(first: *const ()) -> Self {
        Self(AtomicPtr::new(first.cast_mut()))
    }

    /// The address to call.
    #[inline(always)]
    pub fn address(&self) -> *const () {
        self.0.load(Relaxed)
    }

    /// Looks up; `name` ends in a zero byte.
    pub fn look_up(&self, name: &'static str) {
        let name = CStr::from_bytes_with_nul(name.as_bytes()).unwrap_or_default();
        // SAFETY: the name is a string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        self.0.store(if found.is_null() { missing as *mut () } else { found.cast() }, Relaxed);
    }
}

/// In place of a function that this libc does not have.
extern "C" fn missing() -> isize {
    super::set_errno(ENOSYS);
    -1
}

/// For a function of this name and signature, `real`, which returns the one that the program would have called without
/// us, and `resolve`, which looks it up. Whoever calls it first looks it up; a caller meanwhile does the same.
macro_rules! real_function {
    ($name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        static REAL: $crate::platform::Real = $crate::platform::Real::new(first as *const ());

        unsafe extern "C" fn first($($argument : $type),*) -> $result {
            resolve();
            // SAFETY: the arguments are the caller's, for the function of this name.
            unsafe { real()($($argument),*) }
        }

        #[inline(always)]
        pub fn real() -> unsafe extern "C" fn($($type),*) -> $result {
            // SAFETY: the address is that of the function of this name, whose signature the line has compared.
            unsafe { core::mem::transmute(REAL.address()) }
        }

        pub fn resolve() {
            REAL.look_up(concat!(stringify!($name), "\0"));
        }
    };
}
pub(crate) use real_function;

/// What brings the program's calls to a hook: here its name alone, which comes first in the search order.
macro_rules! interpose {
    ($replacement:path, $replacee:path) => {};
}
pub(crate) use interpose;

/// Whether the program's calls come to the hooks.
pub fn is_interposing() -> bool {
    true
}
