//! What a line of the hook table becomes here.

/// Declares the hooks and what belongs to each of them.
macro_rules! hooks {
    ($(
        $(#[$condition:meta])*
        $real:ident $role:ident $missing:ident $($since:literal)? $family:ident :: $name:ident $(= $symbol:literal)? ( $($argument:ident : $type:ty),* ) -> $result:ty;
    )*) => {
        /// A module for each hook, since each has items of the same names.
        mod hooked {
            $(
                $(#[$condition])*
                pub mod $name {
                    use super::super::*;

                    hooks! { @hook $real $(since $since)? $($symbol)? $family::$name ( $($argument : $type),* ) -> $result }

                    hooks! { @$real $missing $name ( $($argument : $type),* ) -> $result }

                    $crate::platform::interpose!(hook, $name);

                    // Compiles only if the line has the same signature as libc's declaration.
                    const _: unsafe extern "C" fn($($type),*) -> $result = $crate::hooks::system::prototypes::$name;
                }
            )*
        }

        /// The functions behind the hooks.
        pub mod real {
            $( $(#[$condition])* hooks! { @export $real $name } )*
        }

        /// Looks up the real functions. For the constructor.
        pub fn resolve() {
            $crate::platform::look_up(|source| {
                $crate::platform::resolve_own(source);
                $( $(#[$condition])* { hooks! { @resolve $real $name source } } )*
            });
        }
    };
    // A body that is also told its caller's return address.
    (@hook wraps_for_caller $family:ident :: $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        unsafe extern "C" fn hook($($argument : $type,)* caller: usize) -> $result {
            // SAFETY: the arguments are the caller's, for the function of this name.
            unsafe { $crate::hooks::$family::$name($($argument,)* caller) }
        }

        $crate::arch::caller_hook! { $name => hook }
    };
    // A hook that has the version in which libc has the function.
    (@hook wraps_version since $since:literal $family:ident :: $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        unsafe extern "C" fn hook($($argument : $type),*) -> $result {
            // SAFETY: the arguments are the caller's, for the function of this name.
            unsafe { $crate::hooks::$family::$name($($argument),*) }
        }

        #[cfg(has_versions)]
        $crate::arch::versioned_hook! { $name $since => hook }
        // Where the linker takes no versions there is no hook, but the body is compiled all the same.
        #[cfg(not(has_versions))]
        const _: unsafe extern "C" fn($($type),*) -> $result = hook;
    };
    // A hook without a version for a function that the oldest libc lacks: it fails harmlessly where libc does not have
    // the function.
    (@hook $real:ident since $since:literal $($line:tt)*) => {
        hooks! { @hook $real $($line)* }
    };
    (@hook $real:ident $family:ident :: $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        $crate::platform::export! {
            unsafe fn $name($($argument : $type),*) -> $result => hook {
                // SAFETY: the arguments are the caller's, for the function of this name.
                unsafe { $crate::hooks::$family::$name($($argument),*) }
            }
        }
    };
    // A name that is no Rust identifier, such as `send$NOCANCEL`.
    (@hook $real:ident $symbol:literal $family:ident :: $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        unsafe extern "C" {
            #[link_name = $symbol]
            pub fn $name($($argument : $type),*) -> $result;
        }

        pub unsafe extern "C" fn hook($($argument : $type),*) -> $result {
            // SAFETY: the arguments are the caller's, for the function of this name.
            unsafe { $crate::hooks::$family::$name($($argument),*) }
        }
    };
    (@wraps $missing:ident $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        $crate::platform::real_function! { $missing $name ( $($argument : $type),* ) -> $result }
        $crate::platform::looked_up_at_load! {}
    };
    (@wraps_for_caller $missing:ident $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        $crate::platform::real_function! { $missing $name ( $($argument : $type),* ) -> $result }
        $crate::platform::looked_up_at_load! {}
    };
    (@wraps_later $missing:ident $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        $crate::platform::real_function! { $missing $name ( $($argument : $type),* ) -> $result }
    };
    (@wraps_version $missing:ident $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {
        $crate::platform::real_function! { $missing $name ( $($argument : $type),* ) -> $result }
    };
    (@replaces Works $name:ident ( $($argument:ident : $type:ty),* ) -> $result:ty) => {};
    (@export wraps $name:ident) => {
        pub use super::hooked::$name::real as $name;
    };
    (@export wraps_for_caller $name:ident) => {
        pub use super::hooked::$name::real as $name;
    };
    (@export wraps_later $name:ident) => {
        pub use super::hooked::$name::real as $name;
    };
    (@export wraps_version $name:ident) => {
        pub use super::hooked::$name::real as $name;
    };
    (@export replaces $name:ident) => {};
    (@resolve wraps $name:ident $source:ident) => {
        hooked::$name::resolve($source);
    };
    (@resolve wraps_for_caller $name:ident $source:ident) => {
        hooked::$name::resolve($source);
    };
    (@resolve wraps_later $name:ident $source:ident) => {};
    (@resolve wraps_version $name:ident $source:ident) => {};
    (@resolve replaces $name:ident $source:ident) => {};
}
