//! Functions of libc that a process may not have: before glibc 2.34 they are in libraries of their own, which not every program loads,
//! and musl has others. References to them are weak, so that the loader accepts that they are missing.

use core::mem::transmute;

use libc::{c_char, c_int, c_void};

use super::next::{Answer, Name, libraries};

/// For each function one of its name, which returns its address where there is one.
macro_rules! optional {
    ($($name:ident in $weak:literal : fn($($type:ty),*) -> $result:ty;)*) => {
        $(
            core::arch::global_asm!(
                concat!(".weak ", stringify!($name)),
                ".pushsection .data.rel.ro, \"aw\"",
                concat!(".hidden ", $weak),
                concat!(".globl ", $weak),
                ".balign 8",
                concat!($weak, ": .quad ", stringify!($name)),
                ".popsection",
            );

            #[inline(always)]
            pub fn $name() -> Option<unsafe extern "C" fn($($type),*) -> $result> {
                unsafe extern "C" {
                    #[link_name = $weak]
                    static ADDRESS: Option<unsafe extern "C" fn($($type),*) -> $result>;
                }
                // SAFETY: defined above; the loader has written it before any code of ours runs.
                unsafe { (&raw const ADDRESS).read_volatile() }
            }
        )*
    };
}

type Handler = extern "C" fn();

optional! {
    dlsym in "nosigpipe_dlsym": fn(*mut c_void, *const c_char) -> *mut c_void;
    pthread_setspecific in "nosigpipe_pthread_setspecific": fn(libc::pthread_key_t, *const c_void) -> c_int;
    __register_atfork in "nosigpipe_register_atfork":
        fn(Option<Handler>, Option<Handler>, Option<Handler>, *const c_void) -> c_int;
}

/// Whether the process's libc is musl: of what is looked for here, only glibc has this.
#[inline(always)]
pub fn is_musl() -> bool {
    __register_atfork().is_none()
}

/// Has a function called in every child that libc's fork makes. For the constructor, once: the library is never unloaded.
pub fn at_fork(child: Handler) {
    unsafe extern "C" {
        #[link_name = "__dso_handle"]
        static OURS: *const c_void;
    }
    if let Some(register) = __register_atfork() {
        // SAFETY: what glibc's pthread_atfork, which is no part of its shared library, calls.
        unsafe { register(None, None, Some(child), (&raw const OURS).cast()) };
        return;
    }
    // musl's
    const BY_NAME: Name = Name::new("pthread_atfork\0");
    let found = libraries().flatten().find_map(|library| match library.find(&BY_NAME) {
        Answer::Function(address) => Some(address),
        _ => None,
    });
    if let Some(address) = found {
        type Register = unsafe extern "C" fn(Option<Handler>, Option<Handler>, Option<Handler>) -> c_int;
        // SAFETY: the function of this name, by its prototype.
        unsafe { transmute::<*mut (), Register>(address)(None, None, Some(child)) };
    }
}
