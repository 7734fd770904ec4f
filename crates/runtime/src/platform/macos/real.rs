//! How a call of the program comes to a hook: by entries that dyld reads when the library is inserted. And how a hook calls the real
//! function: by its name, since dyld does not interpose our own calls. dlsym(3) would return the hook.

use core::ffi::c_void;

/// An entry of `__DATA,__interpose`, as dyld reads it.
#[repr(C)]
pub struct Interpose {
    replacement: *const c_void,
    replacee: *const c_void,
}

// SAFETY: two addresses that are only read, and only by dyld.
unsafe impl Sync for Interpose {}

impl Interpose {
    /// An entry; for [`interpose!`].
    pub const fn new(replacement: *const c_void, replacee: *const c_void) -> Self {
        Self { replacement, replacee }
    }
}

/// Makes a function of the hook that [`interpose!`] can name.
pub(crate) use redhook::hook as export;

/// Makes dyld bind the program's and every library's calls of `$replacee` to `$replacement`; our own go on to the
/// function of that name. redhook makes such an entry too, which the compiler drops from an optimised library for lack
/// of `#[used]`.
macro_rules! interpose {
    ($replacement:path, $replacee:path) => {
        const _: () = {
            #[used]
            #[unsafe(link_section = "__DATA,__interpose")]
            static ENTRY: $crate::platform::Interpose =
                $crate::platform::Interpose::new($replacement as *const _, $replacee as *const _);
        };
    };
}
pub(crate) use interpose;

/// For a function of this name and signature, `real`, which returns the one that the program would have called without
/// us. The first word matters on Linux alone: a library that lacks a function is not loaded here.
macro_rules! real_function {
    ($missing:ident $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        /// The function that the program would have called.
        #[inline(always)]
        pub fn real() -> unsafe extern "C" fn($($type),*) -> $result {
            redhook::real!($name)
        }
    };
}
pub(crate) use real_function;

/// Beside [`real_function!`]: `resolve`, which has nothing to look up here.
macro_rules! looked_up_at_load {
    () => {
        /// Nothing is to be looked up.
        pub fn resolve(_: &$crate::platform::Source) {}
    };
}
pub(crate) use looked_up_at_load;

/// Where [`look_up`] looks.
pub struct Source;

/// Looks up the functions that `each` resolves; the linker has done so.
pub fn look_up(each: impl Fn(&Source)) {
    each(&Source);
}

/// What Linux looks up for itself: here the linker has done so.
pub fn resolve_own(_: &Source) {}

/// Whether the program's calls come to the hooks. With an inserted library the system may allow to load it and forbid
/// to interpose (AMFI); then dlsym(3), which answers with the replacement even to ourselves, answers with the original.
pub fn is_interposing() -> bool {
    // SAFETY: the name is a string; dyld lets a constructor ask.
    let bound = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"socket".as_ptr()) };
    bound.cast_const() != libc::socket as *const c_void
}

/// Has a function called inside exit(3), after the program's own handlers. For the constructor, once.
pub fn at_exit(function: extern "C" fn()) {
    // SAFETY: the library, and so the function, is never unloaded. Without memory for it nothing is called.
    unsafe { libc::atexit(function) };
}
