//! The tables of decisions, row by row.

use policy::Broke::{Nothing, Pipe, Socket};
use policy::Disposition::{Default, Handler, Ignore};
use policy::Origin::{self, Inherited, Program, ProgramBySignal, SetBySignalOverInherited};
use policy::Outcome::{Call, Die, Survive, Swallow};
use policy::{Set, origin, outcome};

#[test]
fn the_guard_handler() {
    for (broke, disposition, expected) in [
        (Socket, Default, Survive),
        (Socket, Ignore, Survive),
        (Socket, Handler, Survive),
        (Pipe, Default, Die),
        (Pipe, Ignore, Survive),
        (Pipe, Handler, Call),
        (Nothing, Default, Die),
        (Nothing, Ignore, Swallow),
        (Nothing, Handler, Call),
    ] {
        assert_eq!(outcome(broke, disposition), expected, "{broke:?} {disposition:?}");
    }
}

fn set(origin: Origin, ignores: bool, is_marked: bool) -> Set {
    Set { origin, ignores, is_marked }
}

/// A sequence of what a program does, and who counts as having asked after each step. It begins with the SIG_IGN that
/// nobody has asked for, which is told with the mark.
fn after(steps: &[Set]) -> Vec<Origin> {
    let mut before = set(Inherited, true, true);
    steps
        .iter()
        .map(|step| {
            let origin = origin(*step, before);
            // The runtime tells it with the mark then (`sigpipe::requested`).
            before = Set { origin, is_marked: origin == Inherited, ..*step };
            origin
        })
        .collect()
}

#[test]
fn sigaction_with_the_structure_that_was_read_takes_all_back() {
    assert_eq!(after(&[set(Program, true, false), set(Program, true, true)]), [Program, Inherited]);
    assert_eq!(after(&[set(Program, false, false), set(Program, true, true)]), [Program, Inherited]);
}

#[test]
fn signal_with_what_it_has_returned_takes_all_back() {
    let handler = set(ProgramBySignal, false, false);
    let ignore = set(ProgramBySignal, true, false);
    assert_eq!(after(&[handler, ignore]), [SetBySignalOverInherited, Inherited]);
    assert_eq!(after(&[handler, handler, ignore]), [SetBySignalOverInherited, SetBySignalOverInherited, Inherited]);
}

#[test]
fn what_was_asked_for_is_the_programs() {
    let ignore = |origin| set(origin, true, false);
    assert_eq!(after(&[ignore(ProgramBySignal)]), [ProgramBySignal]);
    assert_eq!(after(&[ignore(Program)]), [Program]);
    assert_eq!(after(&[set(Program, false, false), ignore(ProgramBySignal)]), [Program, ProgramBySignal]);
    // Once by signal, once by sigaction: nothing was restored.
    assert_eq!(after(&[set(ProgramBySignal, false, false), ignore(Program)]), [SetBySignalOverInherited, Program]);
}

/// Only an action that ignores can be what nobody has asked for.
#[test]
fn all_rows_of_the_origins_table() {
    let sets = || {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        Origin::ALL.into_iter().flat_map(move |origin| flags.map(|(ignores, marked)| set(origin, ignores, marked)))
    };
    let mut inherited = 0;
    for (new, before) in sets().flat_map(|new| sets().map(move |before| (new, before))) {
        let found = origin(new, before);
        if new.origin != Inherited && found == Inherited {
            assert!(new.ignores, "{new:?} {before:?}");
            inherited += 1;
        }
        if !new.is_marked && new.origin == Program {
            assert_eq!(found, Program, "{new:?} {before:?}");
        }
    }
    // Three origins ignore with the mark, over any of 16 sets. And `signal` ignores without the mark, over the 4 sets
    // whose origin is SetBySignalOverInherited.
    assert_eq!(inherited, 3 * 16 + 4);
}
