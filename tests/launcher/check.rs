//! `check`: the same verdict as `run`, and how each call is covered.

use std::collections::BTreeSet;
use std::fs;

use harness::{bare, program};
use serde_json::Value;

use crate::scratch::{Scratch, assert_refused, hello, nosigpipe};

fn check(program: impl AsRef<std::ffi::OsStr>) -> Value {
    let outcome = nosigpipe().args(["check", "--json"]).arg(program).run();
    outcome.assert_silent_success();
    serde_json::from_slice(&outcome.stdout).unwrap()
}

/// A program that imports these functions and is never run.
fn importing(scratch: &Scratch, functions: &[&str]) -> std::path::PathBuf {
    let declarations: String = functions.iter().map(|name| format!("extern int {name}(void);\n")).collect();
    let calls: String = functions.iter().map(|name| format!("{name}() + ")).collect();
    let source = format!("{declarations}int main(void) {{ return {calls}0; }}\n");
    scratch.compile(&functions.join("-"), &source, &["-fno-builtin"])
}

fn covered(report: &Value, call: &str) -> String {
    let calls = report["calls"].as_array().unwrap();
    let entry = calls.iter().find(|entry| entry["call"] == call);
    entry.unwrap_or_else(|| panic!("no {call} in {report:#}"))["covered"].as_str().unwrap().to_owned()
}

#[test]
fn each_call_is_listed_with_its_cover() {
    let scratch = Scratch::new();
    let sends = ["send", "sendto", "sendmsg", "sendmmsg"];
    let makers = ["socket", "socketpair", "accept", "accept4"];
    let report = check(importing(&scratch, &[sends, makers].concat()));
    assert_eq!(report["verdict"], "works");
    for call in sends {
        assert_eq!(covered(&report, call), "flag");
    }
    for call in makers {
        assert_eq!(covered(&report, call), "counted");
    }
    assert_eq!(covered(&check(program("break")), "write"), "disposition");
    assert_eq!(covered(&check("bash"), "sigaction"), "action");
    assert_eq!(covered(&check("bash"), "execve"), "child");
}

#[test]
fn a_hook_that_the_library_does_not_have_is_said_to_be_missing() {
    let scratch = Scratch::new();
    // A library with our symbol and no hooks: what an older version would look like to a newer launcher.
    let old = scratch.compile("old.so", "const char nosigpipe_state[200] = \"nosigpip\";\n", &["-shared", "-fPIC"]);
    let outcome = nosigpipe().args(["check", "--json", "--library"]).arg(old).arg(importing(&scratch, &["send"])).run();
    let report: Value = serde_json::from_slice(&outcome.assert_silent_success().stdout).unwrap();
    assert_eq!(covered(&report, "send"), "none");
}

/// ld.so itself lists what it would load: the best judge of whether we find the same.
#[test]
fn the_libraries_are_those_that_the_loader_would_take() {
    let scratch = Scratch::new();
    let place = |name: &str| scratch.path(name).display().to_string();
    scratch.file("inner.c", "int inner(void) { return 1; }\n", 0o644);
    scratch.file("outer.c", "int inner(void); int outer(void) { return inner(); }\n", 0o644);
    scratch.file("main.c", "int outer(void); int main(void) { return outer() - 1; }\n", 0o644);
    fs::create_dir(scratch.path("deep")).unwrap();
    let gcc = |arguments: &[&str]| {
        bare("gcc").args(arguments).current_dir(scratch.path("")).run().assert_silent_success();
    };
    let mut programs = vec!["/bin/ls".into(), "/usr/bin/perl".into(), harness::launcher().display().to_string()];
    gcc(&["-shared", "-fPIC", "-o", "deep/libinner.so", "inner.c"]);
    gcc(&["-shared", "-fPIC", "-o", "deep/librpath.so", "outer.c", "-Ldeep", "-linner"]);
    let own = "-Wl,--enable-new-dtags,-rpath,${ORIGIN}";
    gcc(&["-shared", "-fPIC", "-o", "deep/librunpath.so", "outer.c", "-Ldeep", "-linner", own]);
    let nowhere = "-Wl,--enable-new-dtags,-rpath,/nowhere";
    gcc(&["-shared", "-fPIC", "-o", "deep/libnowhere.so", "outer.c", "-Ldeep", "-linner", nowhere]);
    // RPATH of the program serves its libraries, too. RUNPATH serves only what has it, and shuts RPATH off.
    for (program, library, path) in [
        ("by-rpath", "rpath", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/deep"),
        ("deep/by-runpath", "runpath", "-Wl,--enable-new-dtags,-rpath,/nowhere:$ORIGIN/../deep"),
        ("by-rpath-missing", "nowhere", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/deep"),
        ("by-runpath-missing", "rpath", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/deep"),
    ] {
        let library = format!("-l{library}");
        gcc(&["-o", program, "main.c", "-Ldeep", &library, "-Wl,-rpath-link,deep", path]);
        programs.push(place(program));
    }
    for program in programs {
        let listed = bare("/lib64/ld-linux-x86-64.so.2").args(["--list", &program]).run();
        // NAME => PATH (ADDRESS), or PATH (ADDRESS) for the loader; it gives up at the first that is missing.
        let path = |line: &str| line.trim().rsplit(" => ").next()?.split(" (").next().map(str::to_owned);
        let missing = listed.stderr().contains("libinner.so: cannot open shared object file");
        assert_eq!(missing, program.ends_with("missing"), "{listed}");
        if missing {
            assert_eq!(check(&program)["missing"], serde_json::json!(["libinner.so"]));
            continue;
        }
        let theirs: BTreeSet<_> = listed
            .assert_silent_success()
            .stdout()
            .lines()
            .filter_map(path)
            .filter_map(|path| fs::canonicalize(path).ok())
            .collect();
        let report = check(&program);
        let ours = report["libraries"].as_array().unwrap().iter();
        let ours: BTreeSet<_> = ours.map(|path| fs::canonicalize(path.as_str().unwrap()).unwrap()).collect();
        assert_eq!(ours, theirs, "{program}");
    }
}

#[test]
fn a_library_that_is_missing_is_named() {
    let scratch = Scratch::new();
    scratch.file("gone.c", "int gone(void) { return 1; }\n", 0o644);
    scratch.file("main.c", "int gone(void); int main(void) { return gone(); }\n", 0o644);
    let gcc = |arguments: &[&str]| {
        bare("gcc").args(arguments).current_dir(scratch.path("")).run().assert_silent_success();
    };
    gcc(&["-shared", "-fPIC", "-Wl,-soname,libgone.so.7", "-o", "libgone.so", "gone.c"]);
    gcc(&["-o", "main", "main.c", "libgone.so"]);
    assert_eq!(check(scratch.path("main"))["missing"][0], "libgone.so.7");
}

#[test]
fn a_refusal_is_the_one_that_run_gives() {
    let program = hello(&["-static"]);
    let reason = format!("{}: it is statically linked, so that nothing can be loaded into it", program.display());
    assert_refused(nosigpipe().arg("check").arg(&program), 125, &reason);
    let outcome = nosigpipe().args(["check", "--json"]).arg(&program).run();
    outcome.assert_code(125).assert_silent();
    let report: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(report["verdict"], "refused");
    assert_eq!(report["reason"], reason);
    assert_eq!(report["exit_code"], 125);
    nosigpipe().args(["check", "no-such-program"]).run().assert_code(127);
}

#[test]
fn the_text_shows_the_calls_by_their_cover() {
    let scratch = Scratch::new();
    let outcome = nosigpipe().arg("check").arg(importing(&scratch, &["send", "write"])).run();
    outcome.assert_silent_success();
    let text = outcome.stdout();
    let (_, flags) = text.split_once("MSG_NOSIGNAL is added at the call:\n").unwrap();
    let first = flags.lines().next().unwrap();
    assert!(first.starts_with("  send ") && first.ends_with(" send-write"), "{outcome}");
    assert!(!text.contains("NOT COVERED"), "{outcome}");
}
