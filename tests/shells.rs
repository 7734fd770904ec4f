//! A start script and everything in it behave as bare, in the default scope and in scope sockets.
//!
//! Each script is run bare and under the library, and must come to the same status, stdout and stderr. That SIGPIPE is
//! not simply ignored everywhere is what is at stake: shells can't undo that, and endless pipelines, dead traps and
//! floods of "Broken pipe" are what comes of it.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be set up has failed the test"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use harness::{Outcome, Subject, bare, launched, preloaded};

/// Programs that run a script: a name, and the words before it.
const SHELLS: [(&str, &[&str]); 4] =
    [("bash", &["-c"]), ("dash", &["-c"]), ("zsh", &["-c"]), ("busybox", &["sh", "-c"])];

/// Commands that write more than a pipe holds: for every shell, and those that take long for one.
const PRODUCERS: &str = include_str!("shells/producers.txt");
const LANGUAGES: &str = include_str!("shells/languages.txt");

/// What the scripts work on.
struct Files {
    big: PathBuf,
    tree: PathBuf,
    repository: PathBuf,
    archive: PathBuf,
    makefile: PathBuf,
    tcl: PathBuf,
}

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = harness::target().join("shells");
        // Made under another name and moved: a test that was broken off must leave nothing half made.
        if !root.exists() {
            let making = root.with_extension(std::process::id().to_string());
            make_files(&making);
            fs::rename(&making, &root).expect("target can be written to");
        }
        let in_root = |name: &str| root.join(name);
        Files {
            big: in_root("big"),
            tree: in_root("tree"),
            repository: in_root("repository"),
            archive: in_root("archive.a"),
            makefile: in_root("Makefile"),
            tcl: in_root("loop.tcl"),
        }
    })
}

fn make_files(root: &Path) {
    let mut big = String::new();
    for line in 0..20_000 {
        let _ = writeln!(big, "{line} some more words");
    }
    for directory in 0..20 {
        let directory = root.join(format!("tree/a-directory-of-this-number-{directory}"));
        fs::create_dir_all(&directory).expect("target can be written to");
        for file in 0..100 {
            let name = format!("a-file-with-a-name-that-fills-pipes-{file}");
            fs::write(directory.join(name), &big[..100]).expect("target can be written to");
        }
    }
    fs::write(root.join("big"), &big).expect("target can be written to");
    fs::write(root.join("Makefile"), "loud:\n\t@cat \"$$BIG\"\nloop:\n\t@while :; do echo y; done\n")
        .expect("target can be written to");
    fs::write(root.join("loop.tcl"), "while 1 { puts y }\n").expect("target can be written to");
    let script = "ar qc archive.a big && git init -q repository && cp big repository && cd repository && \
        git add big && git -c user.name=nobody -c user.email=nobody@localhost commit -q -m big";
    bare("sh").args(["-c", script]).current_dir(root).run().assert_code(0);
}

/// A subject in the surroundings that the scripts expect.
fn prepared(subject: Subject) -> Subject {
    let files = files();
    subject
        .current_dir(files.big.parent().expect("it is in a directory"))
        .env("BIG", &files.big)
        .env("TREE", &files.tree)
        .env("REPOSITORY", &files.repository)
        .env("ARCHIVE", &files.archive)
        .env("MAKEFILE", &files.makefile)
        .env("TCL", &files.tcl)
        // Debian's programs, whatever else this machine has.
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LC_ALL", "C")
        .env("GIT_PAGER", "cat")
        .limit(Duration::from_secs(100))
}

/// Ways to run a program: what it is called, and without and with the library.
fn ways(program: &str) -> [(&'static str, Subject); 2] {
    [("by default", prepared(preloaded(program))), ("in scope sockets", prepared(preloaded(program).scope("sockets")))]
}

#[track_caller]
fn assert_same(what: &str, expected: &Outcome, found: &Outcome) {
    let describe = |outcome: &Outcome| format!("{}\n{}{}", outcome.status, outcome.stdout(), outcome.stderr());
    let (expected_text, found_text) = (describe(expected), describe(found));
    if expected_text == found_text {
        return;
    }
    let only = |one: &str, other: &str| {
        let there: Vec<&str> = other.lines().collect();
        one.lines().filter(|line| !there.contains(line)).take(40).collect::<Vec<_>>().join("\n")
    };
    panic!(
        "{what}\n--- only bare\n{}\n--- only under the library\n{}",
        only(&expected_text, &found_text),
        only(&found_text, &expected_text)
    );
}

/// Runs a script in a shell, bare and in each way under the library, and compares.
fn same_everywhere(shell: &str, words: &[&str], script: &str) -> Outcome {
    let expected = prepared(bare(shell)).args(words).arg(script).run();
    for (way, subject) in ways(shell) {
        let what = script.get(..200).unwrap_or(script);
        assert_same(&format!("{shell} {way}: {what}"), &expected, &subject.args(words).arg(script).run());
    }
    expected
}

fn ends_as_bare(shell: usize, producers: &str) {
    let (shell, words) = SHELLS[shell];
    let mut script = String::from("exec 3>&1\n");
    for producer in producers.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // Nobody but the producer's own shell can tell how it ended; where that one itself is killed, it tells nothing.
        let _ = writeln!(
            script,
            "producer='{}'\nprintf '%s\\n' \"$producer\" >&2\n\
             {{ {producer}\nprintf '%s: %d\\n' \"$producer\" $? >&3; }} | head -c1 >/dev/null",
            producer.replace('\'', "'\\''")
        );
    }
    let expected = same_everywhere(shell, words, &script);
    assert!(!expected.stdout().contains(": 127\n"), "{shell}: scripts/install-test-deps installs them\n{expected}");
    // That many of them died of SIGPIPE is what makes the comparison worth something.
    let (all, killed) = (script.matches("\nproducer=").count(), expected.stdout().matches(": 141\n").count());
    assert!(killed > all / 3, "{shell}: only {killed} of {all} died of SIGPIPE\n{expected}");
}

#[test]
fn every_producer_ends_as_bare_in_bash() {
    ends_as_bare(0, PRODUCERS);
}

#[test]
fn every_producer_ends_as_bare_in_dash() {
    ends_as_bare(1, PRODUCERS);
}

#[test]
fn every_producer_ends_as_bare_in_zsh() {
    ends_as_bare(2, PRODUCERS);
}

#[test]
fn every_producer_ends_as_bare_in_busybox_sh() {
    ends_as_bare(3, PRODUCERS);
}

#[test]
fn interpreters_as_producers_end_as_bare() {
    ends_as_bare(0, LANGUAGES);
}

#[test]
fn an_endless_loop_into_head_ends_in_silence() {
    const LOOP: &str = "while :; do echo y; done | head -1";
    for (shell, words) in SHELLS {
        same_everywhere(shell, words, LOOP).assert_silent_success().assert_stdout("y\n");
        prepared(launched(&[], shell)).args(words).arg(LOOP).run().assert_silent_success().assert_stdout("y\n");
    }
}

#[test]
fn yes_into_head_dies_of_sigpipe_in_silence() {
    for (shell, script) in
        [("bash", "yes | head -1; echo ${PIPESTATUS[*]}"), ("zsh", "yes | head -1; echo $pipestatus")]
    {
        same_everywhere(shell, &["-c"], script).assert_silent_success().assert_stdout("y\n141 0\n");
        let outcome = prepared(launched(&[], shell)).args(["-c", script]).run();
        outcome.assert_silent_success().assert_stdout("y\n141 0\n");
    }
}

#[test]
fn a_script_that_is_a_file_behaves_as_bare() {
    for interpreter in ["/bin/sh", "/usr/bin/env bash", "/usr/bin/env -S dash -e", "/bin/busybox sh", "/usr/bin/zsh -f"]
    {
        let name: String = interpreter.chars().filter(|c| c.is_alphanumeric()).collect();
        let script = harness::target().join(format!("script-{name}"));
        let text = format!(
            "#!{interpreter}\nyes | head -1\nwhile :; do echo z; done | head -1\n(yes; echo $? >&2) | head -1\n"
        );
        // Not by fs::write: while it was open for writing, another test's fork could take the descriptor along, and nobody could execute it.
        let write = bare("sh").args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(&script).stdin(text);
        write.run().assert_silent_success();
        let path = script.to_str().expect("a path in UTF-8");
        let expected = prepared(bare(path)).run();
        expected.assert_code(0).assert_stdout("y\nz\ny\n");
        for (way, subject) in ways(path) {
            assert_same(&format!("{interpreter} {way}"), &expected, &subject.run());
        }
        assert_same(interpreter, &expected, &prepared(launched(&[], path)).run());
    }
}

/// Scripts for any POSIX shell, and what they print where that is plain.
const SITUATIONS: &[(&str, Option<&str>)] = &[
    // Traps
    ("trap 'echo trapped >&2; exit 3' PIPE; while :; do echo y; done | head -1", None),
    ("(trap 'echo trapped >&2; exit 3' PIPE; while :; do echo y; done) | head -1", None),
    ("trap 'echo trapped' PIPE; kill -PIPE $$; echo after", Some("trapped\nafter\n")),
    ("trap '' PIPE; kill -PIPE $$; echo after", Some("after\n")),
    ("trap '' PIPE; sh -c 'kill -PIPE $$; echo after'", Some("after\n")),
    ("trap '' PIPE; (yes; echo $? >&2) | head -1", None),
    ("trap '' PIPE; while echo y 2>/dev/null; do :; done | head -1; echo over", Some("y\nover\n")),
    ("trap 'echo trapped' PIPE; sh -c 'kill -PIPE $$'; echo $?", Some("141\n")),
    ("trap '' PIPE; trap - PIPE; sh -c 'kill -PIPE $$'; echo $?", Some("141\n")),
    ("trap 'echo one' PIPE; trap; (trap); trap - PIPE; trap", None),
    ("trap 'echo exit' EXIT; kill -PIPE $$", None),
    ("kill -PIPE $$; echo not reached", None),
    ("(kill -PIPE $$); echo not reached", None),
    ("sh -c 'kill -PIPE $$; echo not reached'; echo $?", Some("141\n")),
    ("sh -c 'exec sh -c \"kill -PIPE \\$\\$\"'; echo $?", Some("141\n")),
    // What programs are started with
    ("grep Sig[BI] /proc/self/status", None),
    ("(grep SigI /proc/self/status); { grep SigI /proc/self/status; }; grep SigI /proc/self/status | cat", None),
    ("trap '' PIPE; grep SigI /proc/self/status", None),
    ("trap '' PIPE; trap - PIPE; grep SigI /proc/self/status", None),
    ("trap : PIPE; grep SigI /proc/self/status", None),
    ("env --ignore-signal=PIPE grep SigI /proc/self/status", None),
    ("env --ignore-signal=PIPE sh -c 'trap - PIPE; grep SigI /proc/self/status; yes | head -1'", None),
    ("env --ignore-signal=PIPE env --default-signal=PIPE grep SigI /proc/self/status", None),
    ("env --default-signal grep SigI /proc/self/status", None),
    ("env --block-signal=PIPE sh -c 'kill -PIPE $$; grep Sig[BI] /proc/self/status'", None),
    ("env --list-signal-handling true", None),
    ("env --ignore-signal=PIPE --list-signal-handling true", None),
    ("env -i sh -c 'yes | head -1'; env -u LD_PRELOAD sh -c 'yes | head -1'", Some("y\ny\n")),
    ("trap '' PIPE; env -u LD_PRELOAD grep SigI /proc/self/status", None),
    ("unset LD_PRELOAD; (yes; echo $?) | head -1; grep SigI /proc/self/status", None),
    ("nohup sh -c 'yes | head -1; grep SigI /proc/self/status'", None),
    ("timeout 20 sh -c 'yes | head -1; grep SigI /proc/self/status'", None),
    ("setsid -w sh -c 'yes | head -1; grep SigI /proc/self/status'", None),
    ("nice sh -c 'yes | head -1; grep SigI /proc/self/status'", None),
    ("stdbuf -o0 sh -c 'yes | head -1; grep SigI /proc/self/status'", None),
    ("busybox timeout 20 sh -c 'yes | head -1; grep SigI /proc/self/status'", None),
    ("echo grep SigI /proc/self/status | xargs env", None),
    ("find \"$MAKEFILE\" -exec grep SigI /proc/self/status \\;", None),
    ("printf 'all:\\n\\t@grep SigI /proc/self/status; yes | head -1\\n' | make -s -f -", None),
    (
        "printf 'all: ; @yes | head -1 | cat\\nx := $(shell yes | head -1)\\n$(info $x)\\n' | make -s -f -",
        Some("y\ny\n"),
    ),
    ("printf '.ONESHELL:\\nall:\\n\\t@yes |\\n\\thead -1\\n' | make -s -j2 -f - SHELL=/bin/bash", Some("y\n")),
    // Pipelines, substitutions, documents
    ("x=$(yes | head -2); echo \"$x\"", Some("y\ny\n")),
    ("x=`while :; do echo y; done | head -1`; echo $x", Some("y\n")),
    ("cat <<E | head -1\n$(cat \"$BIG\")\nE\necho $?", None),
    ("cat <<E\n$(yes | head -1) here\nE", Some("y here\n")),
    ("head -1 <<E\n$(cat \"$BIG\")\nE\necho $?", None),
    ("exec 3<<E\n$(cat \"$BIG\")\nE\nexec 3<&-; echo $?", None),
    ("(yes; echo $? >&2) | (yes; echo $? >&2) | head -1", None),
    ("yes | sed 5q | tail -1", Some("y\n")),
    ("! yes | head -1; echo $?", None),
    ("yes | :; echo $?", Some("0\n")),
    ("(sleep 0; yes) | exec true; echo $?", None),
    ("while :; do (yes; echo $? >&2) | head -1; break; done", None),
    ("for i in 1 2 3; do yes $i | head -1; done | head -2", Some("1\n2\n")),
    ("f() { yes; echo $? >&2; }; f | head -1", None),
    ("cat \"$BIG\" | while read -r x; do echo \"$x\"; break; done", None),
    ("set -e; yes | head -1; (yes; true) | head -1; echo end", Some("y\ny\nend\n")),
    ("mkfifo fifo$$; (yes >fifo$$; echo $? >&2) & head -1 <fifo$$; wait; rm fifo$$", None),
    ("yes >/dev/full; echo $?", None),
    ("echo y >&-; echo $?", None),
    // Background
    ("yes | head -1 & wait; echo $?", Some("y\n0\n")),
    ("(yes; echo $? >&2) | head -1 & wait $!; echo $?", None),
    ("{ yes | head -1; } & { yes | head -1; } & wait", Some("y\ny\n")),
    ("(trap '' PIPE; yes) 2>/dev/null | head -1 & wait; yes | head -1", Some("y\ny\n")),
    ("(setsid sh -c '(yes; echo $? >&2) | head -1 &' ) ; sleep 0.3", None),
    // Interpreters
    (
        "python3 -c 'import subprocess as s; print(s.run(\"yes | head -1; grep SigI /proc/self/status\", shell=True, stdout=s.PIPE))'",
        None,
    ),
    (
        "python3 -c 'import subprocess as s; print(s.run(\"(yes; echo $?) 2>&1 | head -1; grep SigI /proc/self/status\", shell=True, \
         stdout=s.PIPE, restore_signals=False))'",
        None,
    ),
    (
        "python3 -c 'import signal as s; print(s.getsignal(s.SIGPIPE), s.signal(s.SIGPIPE, s.SIG_DFL), s.getsignal(s.SIGPIPE))'",
        None,
    ),
    (
        "python3 -c 'import signal as s, os; s.signal(s.SIGPIPE, s.SIG_DFL); os.kill(os.getpid(), s.SIGPIPE)'; echo $?",
        Some("141\n"),
    ),
    (
        "python3 -c 'import os; os.posix_spawn(\"/bin/grep\", [\"grep\", \"SigI\", \"/proc/self/status\"], os.environ); os.wait()'",
        None,
    ),
    ("python3 -c 'import os; print(os.popen(\"yes | head -1\").read(), os.system(\"yes | head -1\"))'", None),
    ("perl -e 'open(my $p, \"-|\", \"yes\"); print scalar <$p>; close $p; print $? & 127, \"\\n\"'", Some("y\n13\n")),
    (
        "perl -e 'open(my $p, \"|-\", \"true\"); $SIG{PIPE} = sub { print \"handler\\n\"; exit 4 }; $| = 1; sleep 1; print $p \"x\" x 99999; close $p'",
        None,
    ),
    (
        "perl -e '$SIG{PIPE} = \"IGNORE\"; system \"(yes; echo \\$?) 2>&1 | head -1; grep SigI /proc/self/status\"'",
        None,
    ),
    (
        "perl -e 'print defined $SIG{PIPE} ? $SIG{PIPE} : \"undef\", \"\\n\"; exec \"grep SigI /proc/self/status\"'",
        None,
    ),
    ("tclsh <<'E'\nputs [exec yes | head -1]\nputs [exec grep SigI /proc/self/status]\nE", None),
    (
        "awk 'BEGIN { \"yes\" | getline x; close(\"yes\"); print x; system(\"yes | head -1\"); print \"z\" | \"cat\" }'",
        None,
    ),
    ("gawk 'BEGIN { print \"a\" |& \"yes\"; \"yes\" |& getline x; print x; print close(\"yes\") }'", None),
];

/// Those that need more than POSIX.
const BASH_SITUATIONS: &[(&str, Option<&str>)] = &[
    // The pid is kept: COPROC_PID is gone as soon as bash has seen the end.
    (
        "coproc yes; p=$COPROC_PID; read -u ${COPROC[0]} x; echo $x; exec {COPROC[0]}<&-; wait $p; echo $?",
        Some("y\n141\n"),
    ),
    (
        "coproc cat; p=$COPROC_PID; echo hello >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x; kill $p; wait $p; echo $?",
        None,
    ),
    ("coproc true; wait $COPROC_PID; echo x >&${COPROC[1]:-2}; echo $?", None),
    ("head -1 <(yes) <(while :; do echo z; done)", None),
    ("yes > >(head -1 >&2); echo $?; wait", None),
    ("while :; do echo y; done > >(head -1); echo not reached", None),
    ("exec 3> >(:); wait $!; echo y >&3; echo not reached", None),
    ("trap 'echo trapped' PIPE; exec 3> >(:); wait $!; echo y >&3; echo $?", None),
    ("trap '' PIPE; exec 3> >(:); wait $!; echo y >&3; echo $?", None),
    ("read x < <(yes); echo $x", Some("y\n")),
    ("mapfile -n 2 -t a < <(yes); echo ${a[*]}", Some("y y\n")),
    ("yes | tee >(head -1 >&2) | head -1; echo ${PIPESTATUS[*]}", None),
    ("set -o pipefail; yes | head -1; echo $?", Some("y\n141\n")),
    ("set -eo pipefail; yes | head -1; echo not reached", None),
    ("shopt -s lastpipe; yes | read x; echo $x ${PIPESTATUS[*]}", Some("y 141 0\n")),
    ("set -m; yes | head -1; echo ${PIPESTATUS[*]}; yes | head -1 & wait $!; echo $?", None),
    ("set -bm; sleep 0.1 & yes | head -1; wait; jobs", None),
    ("cat <<<$(yes | head -3)", None),
    ("TIMEFORMAT=; time yes | head -1; echo ${PIPESTATUS[*]}", Some("y\n141 0\n")),
    ("trap 'echo err $?' ERR; set -o pipefail; yes | head -1; yes | head -1", None),
    ("trap 'echo child' CHLD; set -m; yes | head -1; echo end", None),
    ("bash -ic 'yes | head -1; echo ${PIPESTATUS[*]}' 2>/dev/null", Some("y\n141 0\n")),
    ("bash -lc 'yes | head -1; echo ${PIPESTATUS[*]}'", Some("y\n141 0\n")),
    ("exec -a server bash -c 'yes | head -1; echo ${PIPESTATUS[*]}'", Some("y\n141 0\n")),
    ("(exec -a sh yes) | head -1; echo ${PIPESTATUS[*]}", Some("y\n141 0\n")),
    ("kill -l PIPE; trap -p PIPE; type yes | head -c1", None),
    ("builtin printf 'y\\n%.0s' {1..50000} | head -1; echo ${PIPESTATUS[*]}", Some("y\n141 0\n")),
    ("set | head -c1; declare -p | head -c1; help | head -c1; history | head -c1; compgen -c | head -c1", None),
];

fn behave_as_bare(shell: &str, words: &[&str], situations: &[(&str, Option<&str>)]) {
    for (script, stdout) in situations {
        // The shell must be there to the end: a last command takes its place, and is the process that was started.
        let outcome = same_everywhere(shell, words, &format!("{script}\nexit $?"));
        if let Some(stdout) = stdout {
            outcome.assert_silent().assert_stdout(stdout);
        }
    }
}

#[test]
fn traps_pipelines_and_children_are_as_bare_in_bash() {
    behave_as_bare("bash", &["-c"], SITUATIONS);
}

#[test]
fn traps_pipelines_and_children_are_as_bare_in_dash() {
    behave_as_bare("dash", &["-c"], SITUATIONS);
}

#[test]
fn traps_pipelines_and_children_are_as_bare_in_zsh() {
    behave_as_bare("zsh", &["-c"], SITUATIONS);
}

#[test]
fn traps_pipelines_and_children_are_as_bare_in_busybox_sh() {
    behave_as_bare("busybox", &["sh", "-c"], SITUATIONS);
}

#[test]
fn what_only_bash_has_is_as_bare() {
    behave_as_bare("bash", &["-c"], BASH_SITUATIONS);
}
