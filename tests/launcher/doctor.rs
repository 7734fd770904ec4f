//! `doctor`: what is well is called so, and what is not is found.

use std::fs;

use harness::{Outcome, bare, launcher, library};
use serde_json::Value;

use crate::scratch::{Scratch, as_nobody, assert_refused, nosigpipe};

#[track_caller]
fn json(outcome: &Outcome) -> Value {
    outcome.assert_silent();
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

#[test]
fn a_machine_that_is_well() {
    let scratch = Scratch::new();
    let outcome = bare("sh").args(["-c", "ulimit -c unlimited; \"$0\" doctor --json"]).arg(launcher());
    let outcome = outcome.current_dir(scratch.path("")).run();
    let report = json(outcome.assert_code(0));
    assert_eq!(report["well"], true, "{report:#}");
    assert_eq!(report["library"], library().to_str().unwrap());
    for trial in ["loads", "connection", "status", "crash"] {
        assert_eq!(report["trials"][trial]["good"], true, "{report:#}");
    }
    for fact in ["kernel", "libc", "looking in", "seccomp", "core files", "container"] {
        assert!(report["machine"][fact].is_string(), "{fact}\n{report:#}");
    }
    assert!(report["machine"]["looking in"].as_str().unwrap().contains(" may look into "), "{report:#}");
    // The crash that was tried has left nothing.
    assert_eq!(fs::read_dir(scratch.path("")).unwrap().count(), 0);

    let outcome = nosigpipe().arg("doctor").run();
    outcome.assert_silent_success();
    let text = outcome.stdout();
    assert!(text.contains("in force in a trial program") && text.contains("What will not work here:"), "{outcome}");
    // One page.
    assert!(text.lines().count() < 40 && text.is_ascii(), "{outcome}");
}

#[test]
fn it_is_the_same_for_a_user_who_owns_nothing_and_with_sigpipe_ignored_around() {
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib/nosigpipe");
    as_nobody(bare(&launcher).arg("doctor")).run().assert_silent_success();
    bare("sh").args(["-c", "trap '' PIPE; exec \"$0\" doctor"]).arg(&launcher).run().assert_silent_success();
}

#[test]
fn a_library_that_is_none_or_missing_is_said_and_not_tried() {
    let scratch = Scratch::new();
    let alone = scratch.copy(launcher(), "bin/nosigpipe");
    let report = json(bare(&alone).args(["doctor", "--json"]).run().assert_code(1));
    assert!(report["library"].is_null() && report["well"] == false, "{report:#}");
    assert!(report["library_problem"].as_str().unwrap().contains("was not found in"), "{report:#}");
    let text = scratch.file("text.so", "text", 0o644);
    let outcome = nosigpipe().args(["doctor", "--library"]).arg(&text).run();
    outcome.assert_code(1);
    assert!(outcome.stdout().contains("not the library: it is not an ELF file"), "{outcome}");
}

/// What is right by its file, and that the loader can't load for want of a name in another one.
#[test]
fn a_library_that_does_not_load_is_found_by_trying() {
    let scratch = Scratch::new();
    let needed = scratch.compile("libneeded.so", "int needed;\n", &["-shared", "-fPIC"]);
    let source = "extern int needed; int nosigpipe_state; int *use(void) { return &needed; }\n";
    let broken = scratch.compile("libnosigpipe.so", source, &["-shared", "-fPIC", needed.to_str().unwrap()]);
    fs::remove_file(&needed).unwrap();
    let outcome = nosigpipe().args(["doctor", "--json", "--library"]).arg(&broken).run();
    let report = json(outcome.assert_code(1));
    assert_eq!(report["trials"]["connection"]["good"], false, "{report:#}");
    let limits = report["limits"].to_string();
    assert!(limits.contains("symbol lookup error") && limits.contains("undefined symbol: needed"), "{report:#}");
}

#[test]
fn wrong_settings_and_other_copies_are_shown() {
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    let other = scratch.copy(library(), "lib64/nosigpipe/libnosigpipe.so");
    let outcome = bare(launcher).args(["doctor", "--json"]).env("NOSIGPIPE_SCOPE", "everywhere");
    let report = json(&outcome.env("NOSIGPIPE_REPROT", "/tmp").env("NOSIGPIPE_LOG", "summary").run());
    let problem = |name: &str| {
        let settings = report["settings"].as_array().unwrap();
        let setting = settings.iter().find(|setting| setting["variable"].as_str().unwrap().starts_with(name));
        setting.unwrap_or_else(|| panic!("{name}\n{report:#}"))["problem"].clone()
    };
    assert!(problem("NOSIGPIPE_SCOPE").as_str().unwrap().contains("must be process, sockets"), "{report:#}");
    assert_eq!(problem("NOSIGPIPE_REPROT"), "no setting has this name");
    assert!(problem("NOSIGPIPE_LOG").is_null());
    assert!(report["other_libraries"].as_array().unwrap().contains(&other.to_str().unwrap().into()), "{report:#}");
    // They are about programs: the trial is not one of them.
    assert_eq!(report["well"], true, "{report:#}");
}

#[test]
fn the_trial_program_takes_no_other_word_than_doctors() {
    let line = "invalid value 'x' for '<what>' [possible values: connection, crash]; see nosigpipe --help";
    assert_refused(nosigpipe().args(["doctor-trial", "x"]), 125, line);
}
