//! `status` as metrics, of several processes, and again and again.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Running, SIGTERM, Subject, bare, launched, launcher};

use crate::scratch::{Scratch, assert_refused, is_root, nosigpipe};

/// Has survived two broken pipes by write and one by send, and one more by send when it is asked for that: by a socket that it has from
/// the start, or `--watch` might see it between making that and breaking it.
const SURVIVOR: &str = "import os, socket, sys, time
def broken(n, how):
    for _ in range(n):
        a, b = socket.socketpair(); b.close()
        try: how(a)
        except BrokenPipeError: pass
broken(2, lambda s: os.write(s.fileno(), b'x'))
broken(1, lambda s: s.send(b'x'))
last, other = socket.socketpair(); other.close()
os.write(1, b'ready\\n')
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
try: last.send(b'x')
except BrokenPipeError: pass
time.sleep(60)
";

const LIMIT: Duration = Duration::from_secs(60);

fn survivor(scratch: &Scratch) -> Running {
    let running = launched(&["--log", "summary"], "python3").args(["-c", SURVIVOR]).arg(scratch.path("more")).start();
    running.wait_for_line("ready", LIMIT);
    running
}

/// A process without the library that has its last name when it says so: a shell that executes another program changes its name
/// afterwards, and `--watch` tells of that as of something new.
fn unprotected() -> Running {
    let running = bare("python3").args(["-c", "print('ready', flush=True); import time; time.sleep(60)"]).start();
    running.wait_for_line("ready", LIMIT);
    running
}

#[test]
fn metrics_are_what_status_says_and_promtool_has_nothing_against_them() {
    let scratch = Scratch::new();
    let running = survivor(&scratch);
    let pid = running.pid();
    let without = unprotected();
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
    fs::write(scratch.path("more"), "").unwrap();
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
    let without = unprotected();
    let pid = without.pid().to_string();
    for form in [&[][..], &["--json"]] {
        let outcome = bare(launcher()).args(["status", "--watch=0.1", &pid]).args(form).limit(LIMIT).run();
        outcome.assert_code(2);
    }
}

/// A user who has no processes but those of one test, so that `status --all` finds no others.
fn as_user(uid: u32, subject: Subject) -> Subject {
    subject.command(|command| {
        command.uid(uid).gid(uid);
    })
}

#[test]
fn all_of_none_is_said() {
    if !is_root() {
        eprintln!("left out: only root can become a user without processes");
        return;
    }
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    for form in [&[][..], &["--json"]] {
        let status = bare(&launcher).args(["status", "--all"]).args(form);
        assert_refused(as_user(54_321, status), 2, "no process that may be looked into has the library");
    }
    // No metrics are metrics, too.
    let status = bare(&launcher).args(["status", "--all", "--prometheus"]);
    as_user(54_321, status).run().assert_silent_success().assert_stdout("");
}

#[test]
fn watching_all_begins_with_none_and_goes_on_after_the_last() {
    const UID: u32 = 54_322;
    if !is_root() {
        eprintln!("left out: only root can become a user without processes");
        return;
    }
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    let file = scratch.file("collector/nosigpipe.prom", "old\n", 0o600);
    chown(file.parent().unwrap(), Some(UID), None).unwrap();
    let watch = |form: &str| as_user(UID, bare(&launcher).args(["status", "--all", "--watch=0.1", form])).start();
    let collecting = watch(&format!("--textfile={}", file.display()));
    let watching = watch("--json");
    let deadline = Instant::now() + LIMIT;
    let wait = |wanted: &dyn Fn(&str) -> bool| {
        loop {
            let text = fs::read_to_string(&file).unwrap();
            if wanted(&text) {
                return;
            }
            assert!(Instant::now() < deadline, "{text}");
            sleep(Duration::from_millis(10));
        }
    };
    wait(&str::is_empty);
    watching.wait_for_line("no process that may be looked into has the library", LIMIT);
    let script = "import os, time; os.write(1, b'ready\\n'); time.sleep(60)";
    let server = as_user(UID, bare(&launcher).args(["run", "python3", "-c", script])).start();
    server.wait_for_line("ready", LIMIT);
    let up = format!("nosigpipe_up{{pid=\"{}\",name=\"python3\"}} 1\n", server.pid());
    wait(&|text| text.contains(&up));
    watching.wait_for_line(&format!("\"pid\": {},", server.pid()), LIMIT);
    server.signal(SIGTERM);
    server.wait(LIMIT);
    wait(&str::is_empty);
    for watch in [collecting, watching] {
        assert!(watch.is_alive());
        watch.signal(SIGTERM);
        watch.wait(LIMIT).assert_killed_by(SIGTERM);
    }
}

#[test]
fn watching_tells_at_once_of_a_process_without_the_library() {
    let scratch = Scratch::new();
    let running = survivor(&scratch);
    let without = unprotected();
    let pids = [running.pid().to_string(), without.pid().to_string()];
    let watching = bare(launcher()).args(["status", "--watch=0.1"]).args(&pids).start();
    watching.wait_for_line(&format!("the library is not loaded in process {}", pids[1]), LIMIT);
    assert!(watching.is_alive());
    running.signal(SIGTERM);
    running.wait(LIMIT);
    let outcome = watching.wait(LIMIT);
    outcome.assert_code(3);
    assert_eq!(outcome.stderr().matches("the library is not loaded in process").count(), 1, "{outcome}");
    // Whichever is seen first: that it is ending, that it has ended, or that we have waited for it, too.
    let ends =
        ["no process {}", "process {} is ending", "process {} has ended"].map(|line| line.replace("{}", &pids[0]));
    let is_end = |line: &&str| ends.iter().any(|end| line.contains(end));
    assert_eq!(outcome.stderr().lines().filter(is_end).count(), 1, "{outcome}");
    assert_eq!(outcome.stderr().lines().count(), 2, "{outcome}");
}

#[test]
fn watching_for_metrics_goes_on_without_the_library_and_says_so() {
    let without = unprotected();
    let pid = without.pid().to_string();
    let watching = bare(launcher()).args(["status", "--watch=0.1", "--prometheus", &pid]).start();
    watching.wait_for_line(&format!("nosigpipe_up{{pid=\"{pid}\",name=\"python3\"}} 0"), LIMIT);
    assert!(watching.is_alive());
    let help = nosigpipe().args(["help", "status"]).run().stdout();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        help.contains("With --prometheus or --textfile it goes on as long as one of the processes is there"),
        "{help}"
    );
}

#[test]
fn a_text_file_that_is_a_directory_is_called_so() {
    let pid = std::process::id().to_string();
    let scratch = Scratch::new();
    let directory = scratch.path("").display().to_string();
    for name in ["/", "/..", "..", &directory] {
        let line = format!("{name}: is a directory");
        assert_refused(nosigpipe().args(["status", "--textfile", name, &pid]), 125, &line);
    }
}
