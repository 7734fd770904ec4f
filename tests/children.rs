//! What the program starts has the SIGPIPE that it would have had without the library.

#![expect(clippy::panic, reason = "what reads a program's answer is part of the test")]

use harness::{Outcome, Scratch, Subject, bare, library, preloaded, program};

const WAYS: [&str; 26] = [
    "fork-execve",
    "fork-execv",
    "fork-execvp",
    "fork-execvpe",
    "fork-execl",
    "fork-execlp",
    "fork-execle",
    "fork-fexecve",
    "fork-execveat",
    "_Fork-execve",
    "_Fork-execl",
    "vfork-execve",
    "vfork-execl",
    "vfork-execle",
    "vfork-execvp",
    "clone-execve",
    "failed-vfork-execve",
    "failed-fork-execl",
    "posix_spawn",
    "posix_spawnp",
    "posix_spawn-default",
    "system",
    "popen",
    "wordexp",
    "execl",
    "execve",
];
const DISPOSITIONS: [&str; 6] = ["-", "default", "ignore", "handler", "curl", "signal-curl"];
const CHILD_DISPOSITIONS: [&str; 3] = ["-", "default", "ignore"];

/// Whether the way has a moment between fork and exec in which the child can do something.
fn child_acts(way: &str) -> bool {
    way.contains("ork-") || way.contains("clone")
}

fn start(subject: Subject, way: &str, disposition: &str, child_disposition: &str) -> Outcome {
    let outcome = subject.arg(program("sigpipe_state")).args([way, disposition, child_disposition]).run();
    outcome.assert_silent_success();
    outcome
}

/// The line that the child printed.
fn child(outcome: &Outcome) -> String {
    let stdout = outcome.stdout();
    stdout.lines().find(|line| line.contains("kernel")).unwrap_or_else(|| panic!("no child: {outcome}")).to_owned()
}

/// The line that the parent printed, if it did not become the child.
fn parent(outcome: &Outcome) -> Option<String> {
    outcome.stdout().lines().find(|line| line.starts_with("parent")).map(str::to_owned)
}

/// `program`, started with SIGPIPE ignored.
fn under_ignored(scope: Option<&str>) -> Subject {
    let env = bare("env").arg("--ignore-signal=PIPE");
    let env = match scope {
        Some(scope) => env.arg(format!("NOSIGPIPE_SCOPE={scope}")).arg(format!("LD_PRELOAD={}", library().display())),
        None => env,
    };
    env.arg(program("children"))
}

fn combinations() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    WAYS.into_iter().flat_map(|way| {
        DISPOSITIONS.into_iter().flat_map(move |disposition| {
            CHILD_DISPOSITIONS
                .into_iter()
                .filter(move |&child| child == "-" || child_acts(way))
                .map(move |child| (way, disposition, child))
        })
    })
}

#[test]
fn a_child_without_the_library_starts_as_bare() {
    for (way, disposition, child_disposition) in combinations() {
        let expected = child(&start(bare(program("children")), way, disposition, child_disposition));
        for scope in ["process", "sockets", "off"] {
            let subject = preloaded(program("children")).scope(scope).env("TEST_STRIP", "1");
            assert_eq!(
                child(&start(subject, way, disposition, child_disposition)),
                expected,
                "{scope} {way} {disposition} {child_disposition}"
            );
        }
    }
}

#[test]
fn a_child_with_the_library_believes_what_it_believes_bare() {
    let belief = |outcome: &Outcome| child(outcome).split(',').next().map(str::to_owned);
    for (way, disposition, child_disposition) in combinations().filter(|(way, ..)| !way.starts_with("exec")) {
        let expected = belief(&start(bare(program("children")), way, disposition, child_disposition));
        for scope in ["process", "sockets", "off"] {
            let outcome = start(preloaded(program("children")).scope(scope), way, disposition, child_disposition);
            assert_eq!(belief(&outcome), expected, "{scope} {way} {disposition} {child_disposition}");
        }
    }
}

#[test]
fn who_was_started_with_sigpipe_ignored_hands_that_on() {
    for (way, disposition, child_disposition) in combinations() {
        let expected = child(&start(under_ignored(None), way, disposition, child_disposition));
        for scope in ["process", "sockets", "tree"] {
            let subject = under_ignored(Some(scope)).env("TEST_STRIP", "1");
            assert_eq!(
                child(&start(subject, way, disposition, child_disposition)),
                expected,
                "{scope} {way} {disposition} {child_disposition}"
            );
        }
    }
}

#[test]
fn in_scope_tree_children_start_with_sigpipe_ignored() {
    for way in WAYS.into_iter().filter(|&way| way != "posix_spawn-default") {
        for log in ["off", "summary"] {
            let subject = preloaded(program("children")).scope("tree").log(log).env("TEST_STRIP", "1");
            let outcome = subject.arg(program("sigpipe_state")).args([way, "-", "-"]).run();
            assert_eq!(child(&outcome), "believes ignored, kernel ignored", "{way} {outcome}");
        }
    }
}

#[test]
fn no_child_leaves_a_trace_in_its_parent() {
    for (way, disposition, child_disposition) in combinations() {
        let expected = parent(&start(bare(program("children")), way, disposition, child_disposition));
        let outcome = start(preloaded(program("children")).scope("sockets"), way, disposition, child_disposition);
        assert_eq!(parent(&outcome), expected, "{way} {disposition} {child_disposition}");
    }
}

#[test]
fn counting_changes_nothing_for_children() {
    for (way, disposition, child_disposition) in combinations() {
        let expected = child(&start(bare(program("children")), way, disposition, child_disposition));
        let subject = preloaded(program("children")).log("summary").env("TEST_STRIP", "1");
        let outcome = subject.arg(program("sigpipe_state")).args([way, disposition, child_disposition]).run();
        assert_eq!(child(&outcome), expected, "{way} {disposition} {child_disposition}");
    }
}

#[test]
fn many_threads_may_start_programs_at_once() {
    for (scope, expected) in [("process", "default"), ("sockets", "default"), ("tree", "ignored")] {
        let outcome = preloaded(program("spawners")).scope(scope).arg(program("sigpipe_state")).run();
        outcome.assert_silent_success();
        let stdout = outcome.stdout();
        assert_eq!(stdout.lines().count(), 200, "{outcome}");
        assert!(stdout.lines().all(|line| line.starts_with(&format!("believes {expected},"))), "{scope}: {outcome}");
    }
}

#[test]
fn a_library_that_saves_and_restores_sigpipe_meanwhile_does_not_change_children() {
    let outcome = preloaded(program("spawners")).arg(program("sigpipe_state")).arg("and-curl").run();
    outcome.assert_silent_success();
    let stdout = outcome.stdout();
    assert!(stdout.lines().all(|line| line.starts_with("believes default,")), "{outcome}");
}

#[test]
fn a_forked_child_that_executes_nothing_is_a_child_too() {
    for how in ["fork", "twice"] {
        let expected = "child believes default\nsocket -1 EPIPE\nstatus 113\n";
        for scope in ["process", "sockets"] {
            for log in ["off", "summary"] {
                let outcome = preloaded(program("forked")).scope(scope).log(log).arg(how).run();
                outcome.assert_code(0).assert_stdout(expected);
            }
        }
        let outcome = preloaded(program("forked")).scope("tree").arg(how).run();
        outcome
            .assert_silent_success()
            .assert_stdout("child believes ignored\nsocket -1 EPIPE\npipe -1 EPIPE\nstatus 0\n");
    }
}

#[test]
fn the_counters_of_a_forked_child_are_its_own() {
    let outcome = preloaded(program("forked")).log("summary").arg("fork").run();
    // The child leaves by _exit; the parent has made nothing.
    assert!(
        outcome.stderr().starts_with("nosigpipe: 0 broken pipes survived, 0 sockets made, 0 accepted, in forked["),
        "{outcome}"
    );
}

#[test]
fn a_second_copy_of_the_library_changes_nothing() {
    let scratch = Scratch::new();
    let copy = scratch.path().join("copy.so");
    std::fs::copy(library(), &copy).unwrap_or_else(|error| panic!("{error}"));
    let both = format!("{}:{}", library().display(), copy.display());
    for scope in ["process", "sockets", "tree"] {
        for way in ["fork-execve", "vfork-execl", "posix_spawn", "system"] {
            for disposition in ["-", "ignore", "curl"] {
                let subject = || preloaded(program("children")).scope(scope).env("TEST_STRIP", "1");
                let one = start(subject(), way, disposition, "-");
                let two = start(subject().env("LD_PRELOAD", &both), way, disposition, "-");
                assert_eq!(two.stdout(), one.stdout(), "{scope} {way} {disposition}");
            }
        }
    }
}
