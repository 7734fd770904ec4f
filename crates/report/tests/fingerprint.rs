//! Which crashes have the same fingerprint.

#![expect(clippy::indexing_slicing, reason = "a test says what went wrong by panicking")]

use report::{Frame, Module, Report, fingerprint};

fn frame(function: &str) -> Frame {
    Frame { function: function.into(), address: 0x1000 + function.len() as u64, ..Frame::default() }
}

fn report(functions: &[&str]) -> Report {
    Report { frames: functions.iter().map(|function| frame(function)).collect(), ..Report::default() }
}

fn of(functions: &[&str]) -> String {
    fingerprint::of(&report(functions))
}

#[test]
fn it_is_the_hash_that_the_documentation_describes() {
    // FNV-1a of 64 bits over "crash\nmain\n", computed by another program.
    assert_eq!(of(&["crash", "main"]), "89b2970e755e2b2f");
    assert_eq!(of(&[]), "");
}

#[test]
fn addresses_lines_inlined_frames_and_what_called_main_do_not_count() {
    let plain = of(&["crash", "serve", "main"]);
    let mut other = report(&["crash", "inlined", "serve", "main", "__libc_start_main", "_start"]);
    for (index, frame) in other.frames.iter_mut().enumerate() {
        (frame.address, frame.file, frame.line) = (0x7f00_0000 + index as u64, "a.c".into(), 7 + index as u64);
        frame.inlined = frame.function == "inlined";
    }
    assert_eq!(fingerprint::of(&other), plain);
    assert_ne!(of(&["crash", "inlined", "serve", "main"]), plain);
}

#[test]
fn the_copies_that_compilers_make_of_a_function_are_that_function() {
    let plain = of(&["work", "main"]);
    for copy in ["work.part.0", "work.constprop.1", "work.isra.0", "work.cold", "work [clone .cold]", "work.llvm.123"] {
        assert_eq!(of(&[copy, "main"]), plain, "{copy}");
    }
}

#[test]
fn recursion_is_the_same_whatever_its_depth_and_its_end() {
    let a = of(&["even", "odd", "even", "odd", "even", "main"]);
    let b = of(&["odd", "even", "odd", "even", "odd", "even", "odd", "even", "main"]);
    assert_eq!(a, b);
    assert_ne!(a, of(&["even", "even", "main"]));
}

#[test]
fn a_handler_of_the_program_s_and_guesses_do_not_count() {
    let plain = of(&["crash", "main"]);
    let mut handled = report(&["raise", "handler", "", "crash", "main"]);
    handled.frames[2].note = "signal handler called".into();
    // Called for what somebody has sent, or for a fault.
    handled.sender = Some((1, 0));
    assert_eq!(fingerprint::of(&handled), plain);
    (handled.sender, handled.raised) = (None, Some((11, -6)));
    assert_eq!(fingerprint::of(&handled), plain);
    let mut guessed = report(&["crash", "left_over", "main"]);
    guessed.frames[1].found_by = "scan".into();
    assert_eq!(fingerprint::of(&guessed), plain);
}

#[test]
fn a_function_without_a_name_is_its_module_and_offset() {
    let nameless = |build_id: &str, path: &str, address| {
        let mut report = report(&["", "main"]);
        report.frames[0] = Frame { module: Some(0), offset: 0x1234, address, ..Frame::default() };
        report.modules = vec![Module { path: path.into(), build_id: build_id.into(), ..Module::default() }];
        fingerprint::of(&report)
    };
    assert_eq!(nameless("ab", "/usr/lib/libx.so", 1), nameless("ab", "/opt/libx.so.1", 2));
    assert_eq!(nameless("", "/usr/lib/libx.so", 1), nameless("", "/opt/libx.so", 2));
    assert_ne!(nameless("ab", "/usr/lib/libx.so", 1), nameless("cd", "/usr/lib/libx.so", 1));
}

#[test]
fn a_handler_that_has_crashed_itself_counts() {
    let mut crashed = report(&["in_handler", "", "raise", "main"]);
    crashed.frames[1].note = "signal handler called".into();
    assert_eq!(crashed.interrupted().len(), 4);
    // One handler within another's, which has raised the fault's signal again.
    let mut again = report(&["raise", "on_fault", "", "in_handler", "", "main"]);
    again.frames[2].note = "signal handler called by SIGSEGV, SEGV_MAPERR at 0x0".into();
    again.frames[4].note = "signal handler called".into();
    (again.frames[3].interrupted, again.frames[3].address) = (true, 0x1234);
    (again.registers, again.raised) = (vec![("rip".into(), 0x1234)], Some((11, -6)));
    assert_eq!(again.interrupted().first().map(|frame| frame.function.as_str()), Some("in_handler"));
}
