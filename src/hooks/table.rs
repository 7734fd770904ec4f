//! What a line of the hook table becomes.

/// Declares the hooks and what belongs to each of them.
macro_rules! hooks {
    ($(
        $(#[$condition:meta])*
        $real:ident $family:ident :: $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty;
    )*) => {
        /// A module for each hook, since redhook makes a type and a static of its name.
        mod hooked {
            $(
                $(#[$condition])*
                pub mod $name {
                    use super::super::*;

                    redhook::hook! {
                        unsafe fn $name($($argument : $type),*) -> $result => hook {
                            // SAFETY: the arguments are the caller's, for the function of this name.
                            unsafe { $crate::hooks::$family::$name($($argument),*) }
                        }
                    }

                    hooks! { @$real $name ( $($argument : $type),* ) -> $result }

                    // The line says what libc says, or this does not compile.
                    const _: unsafe extern "C" fn($($type),*) -> $result = $crate::platform::prototypes::$name;
                }
            )*
        }

        /// The functions behind the hooks.
        pub mod real {
            $( $(#[$condition])* hooks! { @export $real $name } )*
        }

        /// Looks up the real functions. For the constructor.
        pub fn resolve() {
            $( $(#[$condition])* { hooks! { @resolve $real $name } } )*
        }
    };
    (@real $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        /// The function that the program would have called without us. Whoever calls it first looks it up; a caller
        /// meanwhile does the same.
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
    (@instead $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {};
    (@export real $name:ident) => {
        pub use super::hooked::$name::real as $name;
    };
    (@export instead $name:ident) => {};
    (@resolve real $name:ident) => {
        hooked::$name::resolve();
    };
    (@resolve instead $name:ident) => {};
}
