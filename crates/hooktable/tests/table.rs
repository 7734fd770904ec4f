//! Each line says how its hook fails where libc lacks the function, and that is how the function itself reports errors.

use hooktable::Missing;

/// A line: its first word, the function, how it fails where that is missing, and what it returns.
macro_rules! lines {
    ($(
        $(#[$condition:meta])*
        $real:ident $role:ident $missing:ident $($since:literal)? $family:ident :: $name:ident $(= $symbol:literal)? ( $($argument:tt)* ) -> $result:ty;
    )*) => {
        const LINES: &[(&str, &str, Missing, &str)] =
            &[$( (stringify!($real), stringify!($name), Missing::$missing, stringify!($result)) ),*];
    };
}

hooktable::for_each_hook!(lines);

/// What a function's manual page says of its errors, by its kind.
fn reports_errors(name: &str, result: &str) -> Missing {
    let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    match () {
        () if result.starts_with('*') => Missing::Null,
        () if begins(&["thrd_", "tss_", "cnd_", "mtx_"]) => Missing::Thread,
        () if begins(&["pthread_", "posix_", "pidfd_spawn"]) || name == "sigwait" => Missing::Number,
        () => Missing::Errno,
    }
}

#[test]
fn a_hook_fails_as_its_function_does() {
    assert!(LINES.len() > 60, "{}", LINES.len());
    for &(first, name, missing, result) in LINES {
        let right = if first == "replaces" { Missing::Works } else { reports_errors(name, result) };
        assert_eq!(missing, right, "{name}");
    }
}
