//! `status` as metrics, of several processes, and again and again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use harness::{Running, SIGTERM, bare, launched, launcher};

use crate::scratch::{Scratch, nosigpipe};

/// Has survived two broken pipes by write and one by send, and breaks another at each line that it reads.
const SURVIVOR: &str = "import os, socket, sys
def broken(n, how):
    for _ in range(n):
        a, b = socket.socketpair(); b.close()
        try: how(a)
        except BrokenPipeError: pass
broken(2, lambda s: os.write(s.fileno(), b'x'))
broken(1, lambda s: s.send(b'x'))
os.write(1, b'ready\\n')
while os.path.exists(sys.argv[1]): 
    while os.path.exists(sys.argv[1] + '.more'):
        broken(1, lambda s: s.send(b'x'))
        os.unlink(sys.argv[1] + '.more')
";

const LIMIT: Duration = Duration::from_secs(20);

fn survivor(scratch: &Scratch) -> Running {
    let alive = scratch.file("alive", "", 0o644);
    let running = launched(&["--log", "summary"], "python3").args(["-c", SURVIVOR]).arg(alive).start();
    running.wait_for_line("ready", LIMIT);
    running
}

#[test]
fn metrics_are_what_status_says_and_promtool_has_nothing_against_them() {
    let scratch = Scratch::new();
    let running = survivor(&scratch);
    let pid = running.pid();
    let without = bare("python3").args(["-c", "print('ready', flush=True); import time; time.sleep(60)"]).start();
    without.wait_for_line("ready", LIMIT);
    // And one that is above every pid_max.
    let pids = [pid.to_string(), without.pid().to_string(), "4194305".to_owned()];
    let outcome = nosigpipe().args(["status", "--prometheus"]).args(&pids).run();
    outcome.assert_silent_success();
    let text = outcome.stdout();
    bare("promtool").args(["check", "metrics"]).stdin(text.as_bytes()).run().assert_silent_success();
    let of = format!("pid=\"{pid}\",name=\"python3\"");
    for line in [
        format!("nosigpipe_up{{{of}}} 1"),
        format!("nosigpipe_info{{{of},stage=\"active\",scope=\"process\",kernel=\"handler\"}} 1"),
        format!("nosigpipe_counts_every_call{{{of}}} 1"),
        format!("nosigpipe_broken_pipes_total{{{of},call=\"write\"}} 2"),
        format!("nosigpipe_broken_pipes_total{{{of},call=\"send\"}} 1"),
        format!("nosigpipe_broken_pipes_total{{{of},call=\"splice\"}} 0"),
        format!("nosigpipe_crash_reports_total{{{of}}} 0"),
        format!("nosigpipe_up{{pid=\"{}\",name=\"python3\"}} 0", pids[1]),
        "nosigpipe_up{pid=\"4194305\",name=\"\"} 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // The lines of one metric stand together, under its HELP and TYPE.
    for name in ["nosigpipe_up", "nosigpipe_broken_pipes_total"] {
        assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1, "{text}");
        assert_eq!(text.matches(&format!("# HELP {name} ")).count(), 1, "{text}");
    }
}

#[test]
fn a_text_file_is_replaced_at_once_and_leaves_nothing_beside_it() {
    let scratch = Scratch::new();
    let running = survivor(&scratch);
    let directory = scratch.path("collector");
    let file = scratch.file("collector/nosigpipe.prom", "old\n", 0o600);
    let before = fs::metadata(&file).unwrap();
    let write = |target: &std::path::Path| {
        nosigpipe().args(["status", "--textfile"]).arg(target).arg(running.pid().to_string()).run()
    };
    write(&file).assert_silent_success().assert_stdout("");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("nosigpipe_up{") && text.contains("} 1\n"), "{text}");
    let after = fs::metadata(&file).unwrap();
    assert_eq!(after.permissions().mode() & 0o777, 0o644);
    use std::os::unix::fs::MetadataExt;
    assert_ne!(before.ino(), after.ino(), "another file took its place");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    // What can't be put in place leaves what was there, and no rest.
    fs::create_dir(scratch.path("collector/directory.prom")).unwrap();
    let outcome = write(&scratch.path("collector/directory.prom"));
    outcome.assert_code(125);
    assert_eq!(outcome.stderr().lines().count(), 1, "{outcome}");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
}

#[test]
fn several_processes_are_shown_and_the_gravest_code_is_the_exit_code() {
    let scratch = Scratch::new();
    let running = survivor(&scratch);
    let pid = running.pid().to_string();
    let both = nosigpipe().args(["status", &pid, &pid]).run();
    both.assert_silent_success();
    assert_eq!(both.stdout().matches("\nlibrary ").count(), 2, "{both}");
    let outcome = nosigpipe().args(["status", &pid, "4194305"]).run();
    outcome.assert_code(3);
    assert!(outcome.stdout().contains("in force"), "{outcome}");
    assert_eq!(outcome.stderr(), "nosigpipe: no process 4194305\n");
    let all = nosigpipe().args(["status", "--all", "--json"]).run();
    assert!(all.stdout().contains(&format!("\"pid\": {pid},")), "{all}");
}

#[test]
fn watching_shows_each_change_and_ends_with_the_process() {
    let scratch = Scratch::new();
    let running = survivor(&scratch);
    let pid = running.pid().to_string();
    let watching = bare(launcher()).args(["status", "--watch=0.1", &pid]).start();
    watching.wait_for_line("3 broken pipes: send 1, write 2", LIMIT);
    fs::write(scratch.path("alive.more"), "").unwrap();
    watching.wait_for_line("4 broken pipes: send 2, write 2", LIMIT);
    running.signal(SIGTERM);
    running.wait(LIMIT);
    let outcome = watching.wait(LIMIT);
    outcome.assert_code(3);
    assert_eq!(outcome.stderr().lines().count(), 1, "{outcome}");
    // Each state once.
    assert_eq!(outcome.stdout().matches("3 broken pipes").count(), 1, "{outcome}");
}

#[test]
fn watching_a_process_without_the_library_ends_at_once() {
    let without = bare("sh").args(["-c", "echo ready; exec sleep 60"]).start();
    without.wait_for_line("ready", LIMIT);
    let pid = without.pid().to_string();
    for form in [&[][..], &["--json"]] {
        let outcome = bare(launcher()).args(["status", "--watch=0.1", &pid]).args(form).limit(LIMIT).run();
        outcome.assert_code(2);
    }
}
