//! The settings of crash reports, and where reports go. What is in them is judged in the zoo (tests/crash_zoo).
#![cfg(target_os = "linux")]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests say what went wrong by panicking"
)]

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Outcome, SIGABRT, SIGSEGV, Scratch, Subject, compile, preloaded, root};
use serde_json::Value;

/// A program of the zoo.
fn zoo(name: &str) -> PathBuf {
    compile(&root().join("tests/programs/zoo").join(format!("{name}.c")), &["-w"])
}

/// The same, under the library and without a core file.
fn crashing(name: &str) -> Subject {
    preloaded(zoo(name)).command(|command| {
        let none = || limit(libc::RLIMIT_CORE, 0, libc::RLIM_INFINITY);
        // SAFETY: setrlimit is a system call without locks: fit for a forked child.
        unsafe { command.pre_exec(none) };
    })
}

fn limit(resource: libc::__rlimit_resource_t, now: u64, at_most: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: now, rlim_max: at_most };
    // SAFETY: it reads this one local.
    if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[track_caller]
fn assert_reported(outcome: &Outcome) {
    assert!(outcome.stderr().contains("crashed: SIG") && outcome.stderr().contains("fail"), "{outcome}");
}

/// The one report in what was written.
#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The one file in the directory.
#[track_caller]
fn file_in(directory: &Scratch) -> PathBuf {
    let files = directory.files();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn thread_names(group: &Value) -> Vec<&str> {
    group["threads"].as_array().unwrap().iter().map(|thread| thread["name"].as_str().unwrap()).collect()
}

#[test]
fn by_default_a_crash_is_reported_on_stderr_and_the_end_is_the_programs() {
    let outcome = crashing("null_read").run();
    outcome.assert_killed_by(SIGSEGV);
    assert_reported(&outcome);
}

#[test]
fn off_says_nothing_and_changes_nothing() {
    for (program, way, signal) in
        [("null_read", "", SIGSEGV), ("abort", "", SIGABRT), ("gives_up", "default-raise", SIGSEGV)]
    {
        let outcome = crashing(program).arg(way).env("NOSIGPIPE_CRASH", "off").run();
        outcome.assert_killed_by(signal).assert_silent();
    }
}

#[test]
fn off_leaves_a_handler_that_returns_to_its_loop() {
    let running = crashing("gives_up").arg("signal").env("NOSIGPIPE_CRASH", "off").start();
    // More often than any other end of this program would let it speak.
    let deadline = Instant::now() + Duration::from_secs(60);
    while running.stdout().matches("own handler").count() < 10 {
        assert!(running.is_alive() && Instant::now() < deadline, "{}", running.stdout());
        std::thread::yield_now();
    }
}

#[test]
fn first_reports_before_the_programs_own_handler_runs() {
    let outcome = crashing("gives_up").arg("exit").env("NOSIGPIPE_CRASH", "first").run();
    outcome.assert_code(3);
    assert_reported(&outcome);
    assert!(outcome.stdout().ends_with("own handler\n"), "{outcome}");
}

#[test]
fn first_does_not_stop_a_program_that_recovers() {
    for way in ["siglongjmp", "mprotect", "raise"] {
        let start = Instant::now();
        let outcome = crashing("recovers").arg(way).env("NOSIGPIPE_CRASH", "first").run();
        outcome.assert_code(5);
        assert!(outcome.stderr().contains("crashed: SIG"), "{outcome}");
        assert!(start.elapsed() < Duration::from_secs(15), "{way}: {:?}", start.elapsed());
    }
}

#[test]
fn only_the_listed_signals_are_reported() {
    let only = |signals, program| crashing(program).env("NOSIGPIPE_CRASH_SIGNALS", signals).run();
    only("abrt", "null_read").assert_killed_by(SIGSEGV).assert_silent();
    only("segv,bus,ill,fpe,trap,sys", "abort").assert_killed_by(SIGABRT).assert_silent();
    assert_reported(only("abrt", "abort").assert_killed_by(SIGABRT));
    assert_reported(only("bus,segv", "null_read").assert_killed_by(SIGSEGV));
}

#[test]
fn a_report_directory_gets_one_file_for_each_crash() {
    for (format, ending) in [("text", "txt"), ("json", "json")] {
        let directory = Scratch::new();
        let run =
            || crashing("null_read").env("NOSIGPIPE_REPORT", directory.path()).env("NOSIGPIPE_FORMAT", format).run();
        let outcome = run();
        outcome.assert_killed_by(SIGSEGV);
        let path = file_in(&directory);
        let name = path.file_name().unwrap().to_str().unwrap();
        let crashed = outcome.stdout();
        let pid = crashed.split("pid=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(name.starts_with("null_read") && name.contains(pid) && name.ends_with(ending), "{name} {outcome}");
        let text = fs::read_to_string(&path).unwrap();
        if format == "json" {
            assert_eq!(json(&text)["crashed_thread"]["frames"][0]["function"], "fail", "{text}");
        } else {
            assert!(text.contains("crashed: SIGSEGV") && text.contains("null_read.c:"), "{text}");
        }
        // What happened and where to read about it, no more.
        let stderr = outcome.stderr();
        assert!(stderr.contains(path.to_str().unwrap()) && !stderr.contains("parse"), "{outcome}");
        run();
        assert_eq!(directory.files().len(), 2);
    }
}

#[test]
fn a_process_and_its_child_report_into_files_of_their_own() {
    let directory = Scratch::new();
    let outcome =
        crashing("forked").arg("both").env("NOSIGPIPE_REPORT", directory.path()).env("NOSIGPIPE_FORMAT", "json").run();
    outcome.assert_killed_by(SIGSEGV);
    let mut pids: Vec<_> =
        directory.files().iter().map(|path| json(&fs::read_to_string(path).unwrap())["pid"].as_i64()).collect();
    pids.dedup();
    assert_eq!(pids.len(), 2, "{pids:?} {outcome}");
}

#[test]
fn a_report_directory_works_where_stderr_does_not() {
    for way in ["stderr-closed", "stderr-full", "stderr-full-nonblocking", "stderr-broken", "stderr-read-only"] {
        let directory = Scratch::new();
        let outcome = crashing("starved").arg(way).env("NOSIGPIPE_REPORT", directory.path()).run();
        outcome.assert_killed_by(SIGSEGV);
        let text = fs::read_to_string(file_in(&directory)).unwrap();
        assert!(text.contains("starved.c:"), "{way}: {text}");
    }
}

#[test]
fn without_its_directory_the_report_is_on_stderr() {
    let directory = Scratch::new();
    for missing in [directory.path().join("missing"), PathBuf::from("/proc/self/mem")] {
        let outcome = crashing("null_read").env("NOSIGPIPE_REPORT", &missing).run();
        outcome.assert_killed_by(SIGSEGV);
        assert_reported(&outcome);
        assert!(outcome.stderr().contains("null_read.c:"), "{outcome}");
    }
    assert_eq!(directory.files(), Vec::<PathBuf>::new());
}

#[test]
fn where_no_file_may_grow_the_report_is_on_stderr_and_no_half_file_stays() {
    let directory = Scratch::new();
    let outcome = crashing("starved").arg("no-files").env("NOSIGPIPE_REPORT", directory.path()).run();
    outcome.assert_killed_by(SIGSEGV);
    assert!(outcome.stderr().contains("starved.c:"), "{outcome}");
    assert_eq!(directory.files(), Vec::<PathBuf>::new());
}

#[test]
fn a_full_disk_sends_the_report_to_stderr() {
    let directory = Scratch::new();
    let Some(_mounted) = SmallDisk::mount(directory.path()) else {
        eprintln!("not allowed to mount a small disk here: not tested");
        return;
    };
    let outcome = crashing("null_read").env("NOSIGPIPE_REPORT", directory.path()).run();
    outcome.assert_killed_by(SIGSEGV);
    assert!(outcome.stderr().contains("null_read.c:"), "{outcome}");
    assert_eq!(directory.files(), [directory.path().join("filler")]);
}

/// A file system of one page, which is full.
struct SmallDisk(std::ffi::CString);

impl SmallDisk {
    fn mount(directory: &Path) -> Option<Self> {
        let path = std::ffi::CString::new(directory.to_str().unwrap()).unwrap();
        // SAFETY: all are strings with their ends, which outlive the call.
        let done =
            unsafe { libc::mount(c"zoo".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=4096".as_ptr().cast()) };
        let mounted = (done == 0).then_some(Self(path))?;
        let _ = fs::write(directory.join("filler"), vec![0; 8192]);
        Some(mounted)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // SAFETY: the string outlives the call.
        unsafe { libc::umount2(self.0.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn json_on_stderr_is_one_object() {
    let outcome = crashing("others").env("NOSIGPIPE_FORMAT", "json").run();
    outcome.assert_killed_by(SIGSEGV);
    let report = json(&outcome.stderr());
    assert!(report["nosigpipe_crash_report"].is_u64(), "{report:#}");
    assert_eq!(report["signal"]["name"], "SIGSEGV");
}

#[test]
fn equal_stacks_are_shown_once_with_their_threads() {
    let outcome = crashing("others").env("NOSIGPIPE_FORMAT", "json").run();
    let report = json(&outcome.stderr());
    let groups = report["other_threads"].as_array().unwrap();
    assert_eq!(groups.len(), 3, "{report:#}");
    assert!(groups.iter().any(|group| thread_names(group) == ["pool"; 8]), "{report:#}");
    let text = crashing("others").run().stderr();
    assert_eq!(text.matches("wait_for_work").count(), 1, "{text}");
    assert!(text.contains("8 threads"), "{text}");
}

#[test]
fn threads_crashed_leaves_the_others_out() {
    let outcome = crashing("others").env("NOSIGPIPE_FORMAT", "json").env("NOSIGPIPE_THREADS", "crashed").run();
    outcome.assert_killed_by(SIGSEGV);
    let report = json(&outcome.stderr());
    assert_eq!(report["crashed_thread"]["frames"][0]["function"], "fail", "{report:#}");
    assert!(report["other_threads"].as_array().is_none_or(Vec::is_empty), "{report:#}");
}

#[test]
fn a_timeout_bounds_the_time_that_a_reader_who_does_not_read_costs() {
    let start = Instant::now();
    let outcome = crashing("starved").arg("stderr-full").env("NOSIGPIPE_CRASH_TIMEOUT", "1").run();
    outcome.assert_killed_by(SIGSEGV);
    // By default it would be ten seconds at least.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

#[test]
fn core_raises_the_limit_for_core_files() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let has_core = |setting: Option<&str>| {
        let scratch = Scratch::new();
        let subject = crashing("null_read").current_dir(scratch.path());
        let subject = if let Some(value) = setting { subject.env("NOSIGPIPE_CORE", value) } else { subject };
        let outcome = subject.run();
        outcome.assert_killed_by(SIGSEGV);
        assert_reported(&outcome);
        let dumped = std::os::unix::process::ExitStatusExt::core_dumped(&outcome.status);
        if !pattern.starts_with('|') && !pattern.contains('/') {
            assert_eq!(scratch.files().len(), usize::from(dumped), "{:?}", scratch.files());
        }
        dumped
    };
    assert!(!has_core(None));
    assert!(!has_core(Some("keep")));
    assert!(!has_core(Some("0")));
    assert!(has_core(Some("unlimited")));
    assert!(has_core(Some("100000000")));
}

#[test]
fn nothing_is_reported_where_a_sanitizer_is() {
    let source = root().join("tests/programs/zoo/null_read.c");
    let program = compile(&source, &["-w", "-fsanitize=address", "-static-libasan"]);
    let outcome = preloaded(program).run();
    outcome.assert_code(1);
    assert!(outcome.stderr().contains("AddressSanitizer") && !outcome.stderr().contains("nosigpipe:"), "{outcome}");
}

#[test]
fn a_program_that_is_not_named_by_only_is_left_alone() {
    let outcome = crashing("null_read").env("NOSIGPIPE_ONLY", "tritonserver").run();
    outcome.assert_killed_by(SIGSEGV).assert_silent();
}

#[test]
fn a_report_on_a_stripped_program_is_resolved_later_by_its_debug_file() {
    let (directory, reports) = (Scratch::new(), Scratch::new());
    let stripped = directory.copy(&harness::program("stripped_crash"), "stripped_crash");
    let notes = harness::bare("readelf").arg("-n").arg(&stripped).run().stdout();
    let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).unwrap();
    let folder = directory.path().join(".build-id").join(&id[..2]);
    fs::create_dir_all(&folder).unwrap();
    let debug_file = folder.join(format!("{}.debug", &id[2..]));
    harness::bare("objcopy").arg("--only-keep-debug").arg(&stripped).arg(debug_file).run().assert_silent_success();
    harness::bare("strip").arg(&stripped).run().assert_silent_success();

    let outcome = preloaded(&stripped).env("NOSIGPIPE_FORMAT", "json").env("NOSIGPIPE_REPORT", reports.path()).run();
    outcome.assert_killed_by(SIGSEGV);
    let shown = |more: &[&str]| {
        let outcome = harness::bare(harness::launcher()).arg("report").arg(file_in(&reports)).args(more).run();
        outcome.assert_silent_success();
        outcome.stdout()
    };
    let source = fs::read_to_string(root().join("tests/programs/stripped_crash.c")).unwrap();
    let line = source.lines().position(|line| line.contains("CRASH")).unwrap() + 1;
    let place = format!("in first_letter at {}:{line}", root().join("tests/programs/stripped_crash.c").display());
    let (without, with) = (shown(&[]), shown(&["--debug-dir", directory.path().to_str().unwrap()]));
    assert!(!without.contains("first_letter") && without.contains("stripped_crash+0x"), "{without}");
    assert!(with.contains(&place), "{place} is not in {with}");

    let none = harness::bare(harness::launcher()).args(["report", "/etc/passwd"]).run();
    none.assert_code(125);
    assert_eq!(none.stderr(), "nosigpipe: /etc/passwd: there is no nosigpipe crash report in it\n");
}

#[test]
fn debug_information_may_be_compressed_in_any_way() {
    let directory = Scratch::new();
    let source = fs::read_to_string(root().join("tests/programs/stripped_crash.c")).unwrap();
    let line = source.lines().position(|line| line.contains("CRASH")).unwrap() + 1;
    for (compression, sign) in [("zlib", "ZLIB"), ("zstd", "ZSTD"), ("zlib-gnu", ".zdebug_line")] {
        let compressed = directory.path().join(compression);
        harness::bare("objcopy")
            .arg(format!("--compress-debug-sections={compression}"))
            .arg(harness::program("stripped_crash"))
            .arg(&compressed)
            .run()
            .assert_silent_success();
        let sections = harness::bare("readelf").args(["-t", "-W"]).arg(&compressed).run().stdout();
        assert!(sections.contains(sign), "nothing is compressed by {compression}: {sections}");
        let outcome = preloaded(&compressed).run();
        outcome.assert_killed_by(SIGSEGV);
        assert!(outcome.stderr().contains(&format!("stripped_crash.c:{line}")), "{compression}: {outcome}");
    }
}

#[test]
fn a_program_that_ends_as_its_child_did_has_not_crashed() {
    for case in [["segv"], ["abrt"]] {
        let timeout = |run: fn(&str) -> Subject| {
            // The shell's child crashes, not the shell, and timeout raises the signal that it was told by its own child.
            let script = format!("kill -{} $$", case[0]);
            run("timeout").args(["60", "sh", "-c", &script]).run()
        };
        let (without, with) = (timeout(|name| harness::bare(name)), timeout(|name| preloaded(name)));
        assert_eq!(with.status, without.status, "{with}");
        let reports = with.stderr().matches(" crashed: ").count();
        assert_eq!(reports, 1, "{with}");
        assert!(!with.stderr().contains("nosigpipe: timeout "), "{with}");
    }
}

#[test]
fn debug_information_may_be_in_a_package_beside_the_program() {
    let directory = Scratch::new();
    let program = directory.path().join("split_crash");
    let source = root().join("tests/programs/zoo/inlined.cpp");
    let build = harness::bare("g++").args(["-gdwarf-4", "-gsplit-dwarf", "-O1", "-o"]).arg(&program).arg(&source);
    build.current_dir(directory.path()).run().assert_silent_success();
    harness::bare("dwp").arg("-e").arg(&program).current_dir(directory.path()).run().assert_silent_success();
    // binutils has no packages of DWARF 5. This one alone has the names of what was inlined.
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "dwo") {
            fs::remove_file(path).unwrap();
        }
    }
    let outcome = preloaded(&program).run();
    outcome.assert_killed_by(SIGSEGV);
    let content = fs::read_to_string(&source).unwrap();
    let line = content.lines().position(|line| line.contains("CRASH")).unwrap() + 1;
    let place = format!("#0  third at {}:{line} (inlined)", source.display());
    assert!(outcome.stderr().contains(&place), "{place} is not in {outcome}");
}
