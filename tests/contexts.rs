//! Places where little is allowed.

use std::process::Stdio;

use harness::{bare, library, preloaded, program};

const PLACES: [&str; 11] = [
    "main",
    "handler",
    "altstack",
    "fork",
    "vfork",
    "atexit",
    "tiny-stack",
    "all-blocked",
    "no-descriptors",
    "many-threads",
    "nowhere",
];
const SCOPES: [&str; 3] = ["process", "sockets", "tree"];
const LOGS: [&str; 3] = ["off", "broken-pipes", "summary"];

fn survives(stdout: &str) -> bool {
    !stdout.is_empty() && stdout.lines().all(|line| line == "survived")
}

#[test]
fn broken_sockets_are_survived_everywhere() {
    for place in PLACES {
        for scope in SCOPES {
            for log in LOGS {
                let outcome = preloaded(program("contexts")).scope(scope).log(log).arg(place).run();
                outcome.assert_code(0);
                if place == "nowhere" {
                    outcome.assert_stdout("");
                } else {
                    assert!(survives(&outcome.stdout()), "{place} {scope} {log}: {outcome}");
                }
                if log == "off" {
                    outcome.assert_silent();
                }
            }
        }
    }
}

#[test]
fn broken_sockets_are_survived_before_main_and_after_it() {
    for place in ["constructor", "destructor"] {
        for scope in SCOPES {
            let outcome = preloaded(program("contexts")).scope(scope).env("TEST_WHERE", place).arg("nowhere").run();
            outcome.assert_silent_success().assert_stdout("survived\n");
        }
    }
}

#[test]
fn a_thread_can_be_cancelled_in_a_hooked_call() {
    for place in ["cancel-accept", "cancel-recv", "cancel-send"] {
        let outcome = preloaded(program("contexts")).arg(place).run();
        outcome.assert_silent_success().assert_stdout("cancelled\n");
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    for scope in SCOPES {
        // A closed stderr, a full one, and one whose reader has gone.
        for redirection in ["2>&-", "2>/dev/full", "2> >(:)"] {
            let script = format!(
                "exec env LD_PRELOAD={} NOSIGPIPE_LOG=broken-pipes \"$0\" many-threads {redirection}",
                library().display()
            );
            let outcome =
                bare("bash").args(["-c", &script]).arg(program("contexts")).env("NOSIGPIPE_SCOPE", scope).run();
            outcome.assert_code(0);
            assert!(survives(&outcome.stdout()), "{scope} {redirection}: {outcome}");
        }
    }
    let (reader, writer) = std::io::pipe().unwrap_or_else(|error| panic!("{error}"));
    // SAFETY: fcntl with a number. The smallest pipe there is.
    unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&writer), libc::F_SETPIPE_SZ, 4096) };
    let outcome = preloaded(program("contexts"))
        .log("broken-pipes")
        .arg("many-threads")
        .command(|command| {
            use std::io::Write;
            let mut filler = &writer;
            let _ = filler.write(&[b'x'; 4096]);
            command.stderr(Stdio::from(writer));
        })
        .run();
    outcome.assert_code(0);
    assert!(survives(&outcome.stdout()), "{outcome}");
    drop(reader);
}

/// A preload that hooks send, as the flags make it.
fn goes_on_working_before_and_behind(flags: &[&str]) {
    let flags = [&["-shared", "-fPIC"], flags].concat();
    let other = harness::compile(&harness::root().join("tests/programs/other_preload.c"), &flags);
    for (first, second) in [(library(), other.as_path()), (other.as_path(), library())] {
        let outcome = bare(program("break"))
            .env("LD_PRELOAD", format!("{}:{}", first.display(), second.display()))
            .args(["send", "tcp"])
            .run();
        outcome.assert_code(0).assert_stdout("-1 EPIPE handler ran 0\n-1 EPIPE handler ran 0\n");
        assert_eq!(outcome.stderr(), "other preload: send\nother preload: send\n");
    }
}

#[test]
fn another_preload_goes_on_working() {
    goes_on_working_before_and_behind(&["-Wl,--hash-style=gnu"]);
}

#[test]
fn another_preload_with_only_the_old_hash_table_goes_on_working() {
    goes_on_working_before_and_behind(&["-Wl,--hash-style=sysv"]);
}

#[test]
fn another_preload_with_an_indirect_function_goes_on_working() {
    goes_on_working_before_and_behind(&["-DINDIRECT"]);
}

#[test]
fn a_program_with_address_sanitizer_goes_on_working() {
    let program = harness::compile(&harness::root().join("tests/programs/break.c"), &["-fsanitize=address"]);
    let asan = bare("gcc").arg("-print-file-name=libasan.so").run().stdout();
    for scope in SCOPES {
        let outcome = bare(&program)
            .env("LD_PRELOAD", format!("{}:{}", asan.trim(), library().display()))
            .env("ASAN_OPTIONS", "detect_leaks=0")
            .env("NOSIGPIPE_SCOPE", scope)
            .args(["write", "tcp"])
            .run();
        outcome.assert_silent_success().assert_stdout("-1 EPIPE handler ran 0\n-1 EPIPE handler ran 0\n");
    }
}

#[test]
fn valgrind_runs_a_preloaded_program_and_finds_nothing() {
    for scope in SCOPES {
        for call in ["send", "write"] {
            let outcome = preloaded("valgrind")
                .scope(scope)
                .args(["-q", "--error-exitcode=9", "--leak-check=full"])
                .arg(program("break"))
                .args([call, "tcp"])
                .run();
            outcome.assert_silent_success().assert_stdout("-1 EPIPE handler ran 0\n-1 EPIPE handler ran 0\n");
        }
    }
}

#[test]
fn gdb_runs_a_preloaded_program() {
    let outcome = bare("gdb")
        .args(["-q", "-batch", "-nx", "-ex", "handle SIGPIPE nostop noprint pass"])
        .args(["-ex", &format!("set environment LD_PRELOAD {}", library().display())])
        .args(["-ex", "set startup-with-shell off", "-ex", "run", "-ex", "print $_exitcode", "--args"])
        .arg(program("break"))
        .args(["write", "tcp", "default"])
        .run();
    assert!(outcome.stdout().contains("-1 EPIPE handler ran 0") && outcome.stdout().contains("$1 = 0"), "{outcome}");
}

#[test]
fn the_guard_handler_takes_little_stack() {
    let bytes = |outcome: harness::Outcome| outcome.assert_code(0).stdout().trim().parse::<u32>().unwrap_or(u32::MAX);
    let frame = bytes(bare(program("stack_use")).arg("handler").run());
    for log in LOGS {
        let used = bytes(preloaded(program("stack_use")).scope("sockets").log(log).run());
        assert!(
            used > frame && used - frame <= if log == "broken-pipes" { 2560 } else { 1024 },
            "{log}: {used} bytes, of which {frame} are the signal frame"
        );
    }
}
