//! The functions behind the hooks: the next ones of their names in the loader's search order, so that another preload
//! behind us is called, too.
//!
//! Every caller may look one up, and all find the same, so that no caller waits for another. In the `std::sync::Once` that redhook uses,
//! a signal handler or a vforked child could wait for ever.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};

use hooktable::Missing;
use libc::{ENOSYS, c_int};

use super::next::{Answer, Library, Name, is_list_known, libraries};
use super::optional;

/// One real function.
pub struct Real {
    /// Its address; until it has been looked up, that of a function which looks it up and calls it.
    address: AtomicPtr<()>,
    is_found: AtomicBool,
    name: Name,
}

/// Where a function is to be looked up.
pub enum Source {
    /// In this library, which is behind us.
    In(Library),
    /// By dlsym(3), after all libraries that we can read ourselves.
    AskLoader,
}

/// Looks up the functions that `each` resolves, wherever it is told to; for the constructor. Not behind libc: libraries there may
/// be closed at any time, if another library's constructor has opened them.
pub fn look_up(each: impl Fn(&Source)) {
    look_up_in(each, |library| library.is_whole_libc());
}

/// The same as far as `is_last` says.
fn look_up_in(each: impl Fn(&Source), is_last: impl Fn(&Library) -> bool) {
    let mut knows_all = true;
    for library in libraries() {
        let Some(library) = library else {
            knows_all = false;
            break;
        };
        let is_last = is_last(&library);
        each(&Source::In(library));
        if is_last {
            break;
        }
    }
    // If all libraries could be read and libc was one of them, dlsym(3) would find nothing more, and only allocate an error message.
    if !knows_all || !IN_FRONT.load(Relaxed) {
        each(&Source::AskLoader);
    }
}

/// Looks up the functions that this layer calls itself although there are hooks in front of them. For the constructor.
pub fn resolve_own(source: &Source) {
    super::action::real_sigaction::resolve(source);
    super::memory::real_key_create::resolve(source);
}

impl Real {
    /// A function that has not been looked up. `first` looks it up and calls it; `name` ends in a zero byte.
    pub const fn new(first: *const (), name: &'static str) -> Self {
        Self { address: AtomicPtr::new(first.cast_mut()), is_found: AtomicBool::new(false), name: Name::new(name) }
    }

    /// The address to call.
    #[inline(always)]
    pub fn address(&self) -> *const () {
        self.address.load(Relaxed)
    }

    /// Looks it up in a source, unless it has been found before. If no source has it, it is looked up again when it is called: by then
    /// the program may have loaded it, as libpthread before glibc 2.34.
    pub fn resolve(&self, source: &Source) {
        if self.is_found.load(Relaxed) {
            return;
        }
        let found = match source {
            Source::In(library) => match library.find(&self.name) {
                Answer::Function(address) => {
                    IN_FRONT.store(true, Relaxed);
                    Some(address)
                }
                Answer::AskLoader => self.by_loader(),
                Answer::Unknown => None,
            },
            Source::AskLoader => self.by_loader(),
        };
        if let Some(address) = found {
            self.address.store(address, Relaxed);
            self.is_found.store(true, Relaxed);
        }
    }

    #[cold]
    fn by_loader(&self) -> Option<*mut ()> {
        let name = CStr::from_bytes_with_nul(self.name.text.as_bytes()).unwrap_or_default();
        // SAFETY: the name is a string.
        let found = unsafe { optional::dlsym()?(libc::RTLD_NEXT, name.as_ptr()) };
        (!found.is_null()).then_some(found.cast())
    }

    /// Looks it up; its address, or that of a function which fails in this way where this libc does not have it.
    #[cold]
    #[inline(never)]
    pub fn address_or_refusal(&self, missing: Missing) -> *const () {
        if !self.is_found.load(Relaxed) {
            look_up_in(|source| self.resolve(source), |_| false);
        }
        if self.is_found.load(Relaxed) {
            return self.address();
        }
        match missing {
            Missing::Number => refuse_by_number as *const (),
            Missing::Thread => refuse_as_c11 as *const (),
            Missing::Null => refuse_by_null as *const (),
            Missing::Ends => refuse_to_return as *const (),
            Missing::Errno | Missing::Works => refuse as *const (),
        }
    }
}

// Called in place of a function that this libc does not have.
extern "C" fn refuse() -> isize {
    super::set_errno(ENOSYS);
    -1
}

extern "C" fn refuse_to_return() -> ! {
    super::exit_now(128 + libc::SIGABRT)
}

extern "C" fn refuse_by_null() -> *const () {
    super::set_errno(ENOSYS);
    core::ptr::null()
}

extern "C" fn refuse_by_number() -> c_int {
    ENOSYS
}

extern "C" fn refuse_as_c11() -> c_int {
    const THRD_ERROR: c_int = 2;
    THRD_ERROR
}

/// For a function of this name and signature, `real`, which returns the one that the program would have called without
/// us. Whoever calls it first looks it up; a caller meanwhile does the same. The first word is that of [`Missing`].
macro_rules! real_function {
    ($missing:ident $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        static REAL: $crate::platform::Real =
            $crate::platform::Real::new(first as *const (), concat!(stringify!($name), "\0"));

        unsafe extern "C" fn first($($argument : $type),*) -> $result {
            let address = REAL.address_or_refusal(hooktable::Missing::$missing);
            // SAFETY: the address is that of the function of this name, or of one that returns what it would return.
            let found: unsafe extern "C" fn($($type),*) -> $result = unsafe { core::mem::transmute(address) };
            // SAFETY: the arguments are the caller's, for the function of this name.
            unsafe { found($($argument),*) }
        }

        /// The function that the program would have called.
        #[inline(always)]
        pub fn real() -> unsafe extern "C" fn($($type),*) -> $result {
            // SAFETY: the address is that of the function of this name, whose signature the line has compared.
            unsafe { core::mem::transmute(REAL.address()) }
        }
    };
}
pub(crate) use real_function;

/// Beside [`real_function!`]: `resolve`, by which the constructor has the function looked up.
macro_rules! looked_up_at_load {
    () => {
        /// Looks the function up, where the constructor is.
        pub fn resolve(source: &$crate::platform::Source) {
            REAL.resolve(source);
        }
    };
}
pub(crate) use looked_up_at_load;

/// Exports a hook under the name of the function that it stands in front of. redhook's macro of this form needs the standard
/// library, for its look-up of the function behind and to catch panics.
macro_rules! export {
    (unsafe fn $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty => hook $body:block) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument : $type),*) -> $result $body
    };
}
pub(crate) use export;

/// What brings the program's calls to a hook: here its name alone, which comes first in the search order.
macro_rules! interpose {
    ($replacement:path, $replacee:path) => {};
}
pub(crate) use interpose;

/// Whether any real function was found in a library behind us.
static IN_FRONT: AtomicBool = AtomicBool::new(false);

/// Whether the program's calls come to the hooks: not when a program has loaded the library itself by dlopen(3), so that libc comes
/// first.
pub fn is_interposing() -> bool {
    IN_FRONT.load(Relaxed) || !is_list_known()
}

/// What [`at_exit`] was given.
static AT_EXIT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Has a function called inside exit(3), after the program's own handlers. For the constructor, once. Not by atexit(3), which
/// would have to be looked up at every start.
pub fn at_exit(function: extern "C" fn()) {
    AT_EXIT.store(function as *mut (), Relaxed);
}

#[used]
#[unsafe(link_section = ".fini_array")]
static FINISH: extern "C" fn() = finish;

extern "C" fn finish() {
    let function = AT_EXIT.load(Relaxed);
    if !function.is_null() {
        // SAFETY: at_exit has stored a function of this type.
        unsafe { core::mem::transmute::<*mut (), extern "C" fn()>(function)() };
    }
}
