//! How the calls that could bring SIGPIPE, or change what it does, are covered: each system has its table.

use hooktable::Role;

use crate::platform::WAYS;

/// The functions that the library of this version stands in front of, with what each hook is for.
macro_rules! roles {
    ($(
        $(#[$condition:meta])*
        $real:ident $role:ident $missing:ident $($since:literal)? $family:ident :: $name:ident $(= $symbol:literal)? ( $($argument:tt)* ) -> $result:ty;
    )*) => {
        const HOOKS: &[(&str, Role)] = &[
            $( $(#[$condition])* (roles!(@name $name $($symbol)?), Role::$role), )*
        ];
    };
    (@name $name:ident) => { stringify!($name) };
    (@name $name:ident $symbol:literal) => { $symbol };
}

hooktable::for_each_hook!(roles);

/// A way of being covered.
pub struct Way {
    /// For programs.
    pub id: &'static str,
    /// For people.
    pub explanation: &'static str,
    /// Whether the library must stand in front of the function for it.
    pub needs_hook: bool,
    /// Hooks of these roles cover their functions so.
    pub roles: &'static [Role],
    /// Functions that are covered so besides.
    pub calls: &'static [&'static str],
}

impl Way {
    fn covers(&self, function: &str) -> bool {
        let role = HOOKS.iter().find(|(name, _)| *name == function).map(|(_, role)| role);
        role.is_some_and(|role| self.roles.contains(role)) || self.calls.contains(&function)
    }
}

/// Whether the library of this version stands in front of a function.
#[cfg(target_os = "macos")]
pub fn is_hook(function: &str) -> bool {
    HOOKS.iter().any(|(name, _)| *name == function)
        || WAYS.iter().any(|way| way.needs_hook && way.calls.contains(&function))
}

static OTHER: Way = Way {
    id: "other",
    explanation: "taken by the library for its other work",
    needs_hook: true,
    roles: &[],
    calls: &[],
};

static NOT_COVERED: Way =
    Way { id: "none", explanation: "NOT COVERED by this library", needs_hook: false, roles: &[], calls: &[] };

/// How a function that a program imports is covered, by a library that stands in front of these; `None` for functions
/// that have nothing to do with any of it. The hooks are read from the library's own file.
pub fn of(function: &str, hooks: &[String]) -> Option<&'static Way> {
    let is_hooked = hooks.iter().any(|name| name == function);
    match WAYS.iter().find(|way| way.covers(function)) {
        Some(way) if way.needs_hook && !is_hooked => Some(&NOT_COVERED),
        Some(way) => Some(way),
        None => is_hooked.then_some(&OTHER),
    }
}

/// Every way once, in the order in which they are shown.
pub fn ways() -> impl Iterator<Item = &'static Way> {
    [&NOT_COVERED].into_iter().chain(&WAYS).chain([&OTHER])
}
