//! The decisions about SIGPIPE, as functions of their arguments alone. There are no system calls and no state, so that
//! every row of each table can be tested (`tests/tables.rs`).

#![no_std]
#![forbid(unsafe_code)]

/// Who asked for a signal's action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Origin {
    /// Nobody: the process was started with it, or our scope has made it of that.
    Inherited,
    /// The program, by `signal`, where [`Origin::Inherited`] was in force. A library may set SIGPIPE for a while and
    /// then set again what `signal` has returned to it. (libcurl does so where it can't use sigaction.) Then it has
    /// asked for nothing in the end.
    SetBySignalOverInherited,
    /// The program, by `sigaction`.
    Program,
    /// The program, by `signal` or one of its variants.
    ProgramBySignal,
}

impl Origin {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Inherited, Self::SetBySignalOverInherited, Self::Program, Self::ProgramBySignal];
}

/// What [`origin`] has to know of an action that is set, or that was believed before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set {
    /// Who has asked.
    pub origin: Origin,
    /// Whether it ignores the signal.
    pub ignores: bool,
    /// Whether it has the mark with which the program is told a SIG_IGN that nobody has asked for.
    pub is_marked: bool,
}

/// Who counts as having asked for the action in force, after `new` was set where `before` was believed.
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
    /// A pipe, a FIFO, or a socket pair that is used as a pipe.
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
