//! The functions behind the hooks: the next ones of their names in the loader's search order, so that another preload
//! behind us is called, too.
//!
//! Every caller may look one up, and all find the same: nobody waits for anybody, as a signal handler or a vforked child
//! might for ever in the `std::sync::Once` behind which redhook does this.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};

use libc::ENOSYS;

use super::next::{Answer, Library, Name, is_list_known, libraries};

/// Address of one real function; until it has been looked up, of one that does that.
pub struct Real {
    address: AtomicPtr<()>,
    is_found: AtomicBool,
    name: Name,
}

/// Where [`look_up`] is.
pub enum LookUp {
    /// At a library behind us.
    In(Library),
    /// Past all that we can read ourselves.
    AskLoader,
}

/// Looks up the functions that `each` resolves, wherever it is told to.
pub fn look_up(each: impl Fn(&LookUp)) {
    libraries().map_while(|library| library.map(LookUp::In)).for_each(|place| each(&place));
    each(&LookUp::AskLoader);
}

impl Real {
    /// Not looked up yet; `name` ends in a zero byte.
    pub const fn new(first: *const (), name: &'static str) -> Self {
        Self { address: AtomicPtr::new(first.cast_mut()), is_found: AtomicBool::new(false), name: Name::new(name) }
    }

    /// The address to call.
    #[inline(always)]
    pub fn address(&self) -> *const () {
        self.address.load(Relaxed)
    }

    /// Looks up, unless it has been found before.
    pub fn resolve(&self, place: &LookUp) {
        if self.is_found.load(Relaxed) {
            return;
        }
        let address = match place {
            LookUp::In(library) => match library.find(&self.name) {
                Answer::Function(address) => {
                    IN_FRONT.store(true, Relaxed);
                    address
                }
                Answer::AskLoader => self.by_loader(),
                Answer::Unknown => return,
            },
            LookUp::AskLoader => self.by_loader(),
        };
        self.address.store(address, Relaxed);
        self.is_found.store(true, Relaxed);
    }

    #[cold]
    fn by_loader(&self) -> *mut () {
        let name = CStr::from_bytes_with_nul(self.name.text.as_bytes()).unwrap_or_default();
        // SAFETY: the name is a string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        if found.is_null() { missing as *mut () } else { found.cast() }
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
        static REAL: $crate::platform::Real =
            $crate::platform::Real::new(first as *const (), concat!(stringify!($name), "\0"));

        unsafe extern "C" fn first($($argument : $type),*) -> $result {
            $crate::platform::look_up(resolve);
            // SAFETY: the arguments are the caller's, for the function of this name.
            unsafe { real()($($argument),*) }
        }

        #[inline(always)]
        pub fn real() -> unsafe extern "C" fn($($type),*) -> $result {
            // SAFETY: the address is that of the function of this name, whose signature the line has compared.
            unsafe { core::mem::transmute(REAL.address()) }
        }

        pub fn resolve(place: &$crate::platform::LookUp) {
            REAL.resolve(place);
        }
    };
}
pub(crate) use real_function;

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

/// Whether the program's calls come to the hooks: not when a program has loaded the library itself (dlopen(3)), behind libc.
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
