//! What is decided about SIGPIPE, as functions of what is known: no system call, no state, so that every row of each table can be
//! tried (`tests/tables.rs`).

#![no_std]
#![forbid(unsafe_code)]

/// Who asked for a signal's action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Origin {
    /// Nobody: it is what the process was started with, or what our scope made of that.
    Inherited,
    /// The program, by `signal` over [`Origin::Inherited`]. A library that sets SIGPIPE for a while and then sets again what
    /// `signal` has returned (libcurl's way, without sigaction's structure) takes it back by that: nothing was asked for.
    SetBySignalOverInherited,
    /// The program, by `sigaction`.
    Program,
    /// The program, by `signal` or one of its twins.
    ProgramBySignal,
}

impl Origin {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Inherited, Self::SetBySignalOverInherited, Self::Program, Self::ProgramBySignal];
}

/// What there is to know of an action that is set, or was believed before, for [`origin`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set {
    /// Who has asked.
    pub origin: Origin,
    /// Whether it ignores the signal.
    pub ignores: bool,
    /// Whether it has the mark that a SIG_IGN is told with which nobody has asked for.
    pub is_marked: bool,
}

/// Who counts as having asked after an action was set, given what was believed before.
#[must_use]
pub const fn origin(new: Set, before: Set) -> Origin {
    let by_signal = matches!(new.origin, Origin::ProgramBySignal);
    let was_over_inherited = matches!(before.origin, Origin::SetBySignalOverInherited);
    if new.ignores && (new.is_marked || by_signal && was_over_inherited) {
        Origin::Inherited
    } else if by_signal && !new.ignores && (was_over_inherited || before.is_marked) {
        Origin::SetBySignalOverInherited
    } else {
        new.origin
    }
}

/// What broke, for the guard handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broke {
    /// A socket.
    Socket,
    /// A pipe, a FIFO, or a socketpair that stands in for a pipe.
    Pipe,
    /// Nothing: somebody sent the signal.
    Nothing,
}

/// What the program believes to be done with the signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disposition {
    /// SIG_DFL
    Default,
    /// SIG_IGN
    Ignore,
    /// A handler of its own.
    Handler,
}

/// What the guard handler does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing but counting it: the program lives, and its call returns EPIPE.
    Survive,
    /// Nothing at all.
    Swallow,
    /// The process dies of SIGPIPE, as it would have without the library.
    Die,
    /// The program's handler is called.
    Call,
}

/// What the guard handler does about what broke.
#[must_use]
pub const fn outcome(broke: Broke, disposition: Disposition) -> Outcome {
    match (broke, disposition) {
        (Broke::Socket, _) | (Broke::Pipe, Disposition::Ignore) => Outcome::Survive,
        (Broke::Nothing, Disposition::Ignore) => Outcome::Swallow,
        (Broke::Pipe | Broke::Nothing, Disposition::Default) => Outcome::Die,
        (Broke::Pipe | Broke::Nothing, Disposition::Handler) => Outcome::Call,
    }
}
