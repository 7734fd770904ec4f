//! `nosigpipe stack` on real programs: what it says of them, and that they do not notice.

#![cfg(target_os = "linux")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be set up has failed the test"
)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Outcome, Running, Scratch, Subject, bare, launcher, preloaded, program, python_environment, root};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

fn stack(arguments: &[&str]) -> Outcome {
    bare(launcher()).arg("stack").args(arguments).run()
}

fn stacks_of(pid: i32) -> Value {
    let outcome = stack(&["--json", &pid.to_string()]);
    outcome.assert_code(0);
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

/// Every thread with its stack.
fn threads(stacks: &Value) -> Vec<(Value, Value)> {
    let groups = stacks["stacks"].as_array().expect("a list");
    let of = |group: &Value| {
        let threads = group["threads"].as_array().expect("a list").clone();
        threads.into_iter().map(|thread| (thread, group.clone())).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of).collect()
}

/// Asks again and again until what is said is as wanted, since threads take their time to get where they wait, and on a busy machine more to stop
/// than they are given.
fn until(pid: i32, wanted: impl Fn(&Value) -> Result<(), String>) -> Value {
    let begin = Instant::now();
    loop {
        let stacks = stacks_of(pid);
        match wanted(&stacks) {
            Ok(()) => return stacks,
            Err(problem) => assert!(begin.elapsed() < LIMIT, "{problem}\n{stacks:#}"),
        }
    }
}

/// The same for what is said to people.
fn until_said(pid: i32, wanted: impl Fn(&str) -> bool) {
    let begin = Instant::now();
    loop {
        let text = stack(&[&pid.to_string()]).stdout();
        if wanted(&text) {
            return;
        }
        assert!(begin.elapsed() < LIMIT, "{text}");
    }
}

fn state(pid: i32) -> char {
    state_in(&format!("/proc/{pid}/stat"))
}

fn state_in(file: &str) -> char {
    let stat = fs::read_to_string(file).expect("it is there");
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).expect("a state")
}

/// Waits until each of its threads is stopped by a signal: they stop one after the other.
fn wait_until_stopped(pid: i32) {
    let begin = Instant::now();
    let tasks = || fs::read_dir(format!("/proc/{pid}/task")).expect("it is there").flatten();
    while let Some(state) = tasks().map(|task| state_in(&format!("{}/stat", task.path().display()))).find(|&s| s != 'T')
    {
        assert!(begin.elapsed() < LIMIT, "{state}");
    }
}

/// What each thread of tests/programs/waits.c waits for: its name, the words, and a function of its stack.
const WAITS: [(&str, &str, &str); 23] = [
    ("first", "for the mutex at @, which thread @ \"second\" holds", "first"),
    ("second", "for the mutex at @, which thread @ \"first\" holds", "second"),
    ("timed", "for the mutex at @, which thread @ \"first\" holds", "timed"),
    ("inheriting", "for the mutex at @, which thread @ \"holder\" holds", "inheriting"),
    ("robustly", "for the mutex at @, which thread @ \"holder\" holds", "robustly"),
    ("rwlocking", "for the read-write lock at @, which thread @ \"holder\" holds", "rwlocking"),
    ("conditional", "waits in futex for the condition variable at @", "conditional"),
    ("semaphoring", "waits in futex for the semaphore at @", "semaphoring"),
    ("joining", "for the end of thread @ \"first\"", "joining"),
    ("epolling", "waits in epoll_wait on descriptor @ (anon_inode:[eventpoll])", "epolling"),
    ("polling", "waits in poll on descriptors @ (pipe:[@]), @ (pipe:[@])", "polling"),
    ("pollshared", "waits in poll on descriptors @ (pipe:[@]), @ (pipe:[@]), @ (pipe:[@])", "pollshared"),
    ("pollfirst", "waits in poll on descriptor @ (pipe:[@])", "pollfirst"),
    ("pollsecond", "waits in poll on descriptor @ (pipe:[@])", "pollsecond"),
    ("selecting", "waits in pselect6 on descriptor @ (pipe:[@])", "selecting"),
    ("reading", "waits in read on descriptor @ (pipe:[@])", "reading"),
    ("spinning", "runs", "spinning"),
    ("childwaiting", "waits in wait4 for child @ (", "childwaiting"),
    ("vforking", "waits in vfork for its child", "start_thread"),
    ("handling", "waits in pause for a signal", "handling"),
    ("deep", "waits in pause for a signal", "deep"),
    ("waits", "sleeps in clock_nanosleep", "main"),
    ("holder", "waits in pause for a signal", "holder"),
];

/// Whether the pattern is in the text; `@` stands for a number.
fn contains(text: &str, pattern: &str) -> bool {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let number = rest.strip_prefix("0x").unwrap_or(rest);
        let end = number.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(number.len());
        let is_number =
            first.is_ascii_digit() && end > 0 && !plain.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if is_number {
            plain.push('@');
            rest = number.get(end..).expect("a boundary");
        } else {
            plain.push(first);
            rest = rest.get(first.len_utf8()..).expect("a boundary");
        }
    }
    plain.contains(pattern)
}

fn is_as_wanted(stacks: &Value) -> Result<(), String> {
    let threads = threads(stacks);
    for (name, words, function) in WAITS {
        let (thread, group) =
            threads.iter().find(|(thread, _)| thread["name"] == name).ok_or_else(|| format!("no thread {name}"))?;
        let said = thread["state"].as_str().expect("words");
        let frames = group["frames"].as_array().expect("a list");
        let is_there = frames.iter().any(|frame| frame["function"] == function);
        if !contains(said, words) || !is_there || group["incomplete"] == true {
            return Err(format!("{name}: {said}, wanted: {words}, in {function}"));
        }
    }
    Ok(())
}

#[test]
fn says_what_each_thread_waits_for() {
    for subject in [bare(program("waits")), preloaded(program("waits"))] {
        let running = subject.start();
        let stacks = until(running.pid(), is_as_wanted);
        let circles = stacks["deadlocks"].as_array().expect("a list");
        let tid = |name: &str| {
            let threads = threads(&stacks);
            threads.iter().find(|(thread, _)| thread["name"] == name).expect("a thread").0["tid"].clone()
        };
        assert_eq!(circles.len(), 1, "{circles:?}");
        let (first, second) = (tid("first"), tid("second"));
        assert!(circles[0] == serde_json::json!([first, second]) || circles[0] == serde_json::json!([second, first]));
        // The middle of the deep stack is counted.
        let threads = threads(&stacks);
        let (_, deep) = threads.iter().find(|(thread, _)| thread["name"] == "deep").expect("a thread");
        assert!(deep["omitted_frames"].as_u64() > Some(19_000), "{deep:#}");
        let deadlock = format!("deadlock: thread {} waits for thread {}", circles[0][0], circles[0][1]);
        until_said(running.pid(), |text| text.contains(&deadlock));
    }
}

/// Starts tests/programs/uninterrupted.c and waits until all its threads but the first wait.
fn uninterrupted() -> Running {
    let running = bare(program("uninterrupted")).start();
    running.wait_for_line("ready", LIMIT);
    until(running.pid(), |stacks| {
        let threads = threads(stacks);
        let runs = threads.iter().filter(|(thread, _)| thread["state"] == "runs").count();
        if runs == 1 && threads.len() == 22 { Ok(()) } else { Err(format!("{runs} of {} run", threads.len())) }
    });
    running
}

#[test]
fn no_call_is_interrupted_and_no_time_is_lost() {
    /// Times that it is looked at.
    const TIMES: usize = 20;
    /// Longest time that the process may stand still, in microseconds, but for the times that other programs had the processor, too.
    const USUAL: u64 = 500_000;
    /// And those included.
    const LONGEST: u64 = 10_000_000;
    let running = uninterrupted();
    let mut stopped: Vec<u64> =
        (0..TIMES).map(|_| stacks_of(running.pid())["stopped_us"].as_u64().expect("a number")).collect();
    running.signal(libc::SIGTERM);
    let longest = running.wait_for_line("longest", LIMIT);
    let longest: u64 = longest.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    stopped.sort_unstable();
    assert!(stopped[TIMES / 2] < USUAL && longest < LONGEST, "{longest} us; {stopped:?}");
    assert!(!running.stdout().contains("returned"), "{}", running.stdout());
}

#[test]
fn a_launcher_that_is_killed_leaves_nothing_stopped() {
    let running = uninterrupted();
    let pid = running.pid().to_string();
    for delay in 0..20u64 {
        let mut looking =
            Command::new(launcher()).args(["stack", &pid]).stdout(Stdio::null()).spawn().expect("the launcher starts");
        std::thread::sleep(Duration::from_micros(delay * 300));
        looking.kill().expect("it can be killed");
        looking.wait().expect("it has ended");
    }
    for entry in fs::read_dir(format!("/proc/{pid}/task")).expect("it is there").flatten() {
        let status = fs::read_to_string(entry.path().join("status")).expect("a thread");
        assert!(status.contains("TracerPid:\t0") && !status.contains("tracing stop"), "{status}");
    }
    running.signal(libc::SIGTERM);
    running.wait_for_line("longest", LIMIT);
}

#[test]
fn a_stopped_process_is_read_and_stays_stopped() {
    let running = uninterrupted();
    running.signal(libc::SIGSTOP);
    wait_until_stopped(running.pid());
    let stacks = until(running.pid(), |stacks| {
        let is_right = |(thread, group): &(Value, Value)| {
            let said = thread["state"].as_str().expect("words");
            said.starts_with("is stopped by a signal; before that, it ")
                && group["frames"].as_array().is_none_or(|frames| !frames.is_empty())
        };
        let wrong = threads(stacks).into_iter().find(|thread| !is_right(thread));
        wrong.map_or(Ok(()), |(thread, _)| Err(thread.to_string()))
    });
    assert_eq!(threads(&stacks).len(), 22);
    // The kernel takes them back into their stop by itself.
    wait_until_stopped(running.pid());
    running.signal(libc::SIGTERM);
    assert!(!running.stdout().contains("longest"));
    running.signal(libc::SIGCONT);
    running.wait_for_line("longest", LIMIT);
}

/// A program of another libc, without anything that the loader would know.
const STATIC: &str = r#"
#include <pthread.h>
#include <unistd.h>
static pthread_mutex_t mutex;
static void *waiting(void *_) { pthread_mutex_lock(&mutex); return _; }
int main(void) {
    pthread_t thread;
    pthread_mutexattr_t kind;
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &kind);
    pthread_mutex_lock(&mutex);
    pthread_create(&thread, NULL, waiting, NULL);
    for (;;) pause();
}
"#;

#[test]
fn static_programs_of_glibc_and_musl_and_files_that_are_gone() {
    for compiler in ["gcc", "musl-gcc"] {
        let scratch = Scratch::new();
        let (source, binary) = (scratch.path().join("locked.c"), scratch.path().join("locked"));
        fs::write(&source, STATIC).expect("a file is written");
        let flags = ["-static", "-pthread", "-o"];
        bare(compiler).args(flags).arg(&binary).arg(&source).run().assert_code(0);
        let running = bare(&binary).start();
        let wanted = |stacks: &Value| {
            let threads = threads(stacks);
            let said = |thread: &Value| {
                contains(
                    thread["state"].as_str().unwrap_or_default(),
                    "for the mutex at @, which thread @ \"locked\" holds",
                )
            };
            let is = |(thread, group): &(Value, Value)| {
                let frames = group["frames"].as_array().expect("a list");
                said(thread) && frames.iter().any(|frame| frame["function"] == "waiting")
            };
            if threads.iter().any(is) { Ok(()) } else { Err("no thread waits for the mutex".to_owned()) }
        };
        until(running.pid(), wanted);
        fs::remove_file(&binary).expect("the file was there");
        until(running.pid(), wanted);
    }
}

#[test]
fn many_threads_that_do_the_same_are_shown_once() {
    const MANY: &str = "import threading, time\nevent = threading.Event()\n\
        for _ in range(1000): threading.Thread(target=event.wait, daemon=True).start()\nprint('ready', flush=True)\nevent.wait()";
    let running = python(MANY).start();
    running.wait_for_line("ready", LIMIT);
    // On a busy machine most may not have stopped in time.
    const ENOUGH: usize = 100;
    let stacks = until(running.pid(), |stacks| {
        let groups = stacks["stacks"].as_array().expect("a list");
        let is_large = |group: &Value| group["threads"].as_array().is_some_and(|threads| threads.len() >= ENOUGH);
        let is_there = threads(stacks).len() == 1001 && groups.len() < 20 && groups.iter().any(is_large);
        if is_there { Ok(()) } else { Err(format!("{} groups", groups.len())) }
    });
    until_said(running.pid(), |text| {
        let counts = text.lines().filter_map(|line| line.strip_prefix("stack of ")?.split_once(" threads: "));
        counts.filter_map(|(count, _)| count.parse().ok()).any(|count: usize| count >= ENOUGH)
    });
    assert!(stacks["stopped_us"].as_u64() < Some(5_000_000), "{}", stacks["stopped_us"]);
}

#[test]
fn pythons_own_stack_is_beside_the_native_one() {
    let scratch = Scratch::new();
    let script = scratch.path().join("hangs.py");
    let code = "import threading\nlock = threading.Lock()\n\ndef inner():\n    lock.acquire()\n\ndef outer():\n    inner()\n\n\
        lock.acquire()\nthreading.Thread(target=outer, name='worker').start()\nthreading.Event().wait()\n";
    fs::write(&script, code).expect("a file is written");
    let running = bare(python_environment().join("bin/python")).arg(&script).start();
    let wanted = |stacks: &Value| {
        let called = |(_, group): &(Value, Value)| {
            let frames = group["python"]["frames"].as_array().cloned().unwrap_or_default();
            let at = |index: usize, function: &str, line: u64| {
                frames.get(index).is_some_and(|frame| {
                    frame["function"] == function
                        && frame["line"] == line
                        && frame["file"] == script.to_str().expect("a path")
                })
            };
            at(0, "inner", 5) && at(1, "outer", 8)
        };
        if threads(stacks).iter().any(called) { Ok(()) } else { Err("no thread is in inner()".to_owned()) }
    };
    until(running.pid(), wanted);
    until_said(running.pid(), |text| text.contains(&format!("inner at {}:5\n", script.display())));
}

fn python(code: &str) -> Subject {
    bare(python_environment().join("bin/python")).args(["-c", code])
}

/// Threads that wait for sockets of all kinds, on stdout their addresses: where TCP listens, its client, and UDP.
const SOCKETS: &str = "import select, socket, sys, threading, time\n\
    def start(name, call, *arguments):\n\
    \x20   thread = threading.Thread(target=call, args=arguments, daemon=True)\n\
    \x20   thread.start()\n\
    \x20   open(f'/proc/self/task/{thread.native_id}/comm', 'w').write(name)\n\
    listener = socket.create_server(('127.0.0.1', 0))\n\
    client = socket.create_connection(listener.getsockname())\n\
    server = listener.accept()[0]\n\
    start('accepting', listener.accept)\n\
    start('receiving', server.recv, 1)\n\
    six = socket.create_server(('::1', 0), family=socket.AF_INET6)\n\
    start('six', six.accept)\n\
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
    udp.bind(('127.0.0.1', 0))\n\
    start('udp', udp.recv, 1)\n\
    unix = socket.socket(socket.AF_UNIX)\n\
    unix.bind(sys.argv[1])\n\
    unix.listen()\n\
    start('unix', unix.accept)\n\
    pair = socket.socketpair()\n\
    start('pair', pair[0].recv, 1)\n\
    start('polling', select.select, [client, unix], [], [])\n\
    ports = [socket.getsockname()[1] for socket in (listener, client, six, udp)]\n\
    print('ready', *ports, flush=True)\n\
    time.sleep(1000)";

#[test]
fn a_socket_is_told_with_its_addresses() {
    let scratch = Scratch::new();
    // The kernel does not quote a name.
    let path = scratch.path().join("a b.sock");
    let running = python(SOCKETS).arg(&path).start();
    let line = running.wait_for_line("ready", LIMIT);
    let ports: Vec<&str> = line.split(' ').skip(1).collect();
    let [listener, client, six, udp] = ports.as_slice() else { panic!("{line}") };
    let unix = format!("socket:[@], UNIX {}, LISTEN", path.display());
    let wanted = [
        ("accepting", format!("socket:[@], TCP 127.0.0.1:{listener}, LISTEN")),
        ("receiving", format!("socket:[@], TCP 127.0.0.1:{listener} to 127.0.0.1:{client}, ESTABLISHED")),
        ("six", format!("socket:[@], TCP [::1]:{six}, LISTEN")),
        ("udp", format!("socket:[@], UDP 127.0.0.1:{udp})")),
        ("polling", unix.clone()),
        ("unix", unix),
        ("pair", "(socket:[@], UNIX)".to_owned()),
        ("polling", format!("socket:[@], TCP 127.0.0.1:{client} to 127.0.0.1:{listener}, ESTABLISHED")),
    ];
    let without_inodes = |text: &str| {
        let mut parts = text.split("socket:[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + "socket:[@" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
    };
    let stacks = until(running.pid(), |stacks| {
        let threads = threads(stacks);
        for (name, words) in &wanted {
            let found = threads.iter().find(|(thread, _)| thread["name"] == *name);
            let (thread, _) = found.ok_or_else(|| format!("no thread {name}"))?;
            let said = without_inodes(thread["state"].as_str().expect("words"));
            if !said.contains(words) {
                return Err(format!("{name}: {said}, wanted: {words}"));
            }
        }
        Ok(())
    });
    let threads = threads(&stacks);
    let receiving = threads.iter().find(|(thread, _)| thread["name"] == "receiving").expect("a thread");
    assert_eq!(
        receiving.0["socket"],
        serde_json::json!({
            "protocol": "TCP",
            "local": format!("127.0.0.1:{listener}"),
            "peer": format!("127.0.0.1:{client}"),
            "state": "ESTABLISHED",
        })
    );
    assert_is_as_the_schema_says(vec![stacks]);
}

#[test]
fn a_stripped_program_has_names_from_a_directory_with_debug_files() {
    let scratch = Scratch::new();
    let stripped = scratch.path().join("stripped_waits");
    fs::copy(program("waits"), &stripped).expect("a copy");
    let notes = bare("readelf").arg("-n").arg(&stripped).run().stdout();
    let id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: ")).expect("a build id");
    let (usual, cache) = (scratch.path().join("debug"), scratch.path().join("cache"));
    let debug_file = usual.join(format!(".build-id/{}/{}.debug", &id[..2], &id[2..]));
    fs::create_dir_all(debug_file.parent().expect("a directory")).expect("it is made");
    fs::create_dir_all(cache.join(id)).expect("it is made");
    bare("objcopy").arg("--only-keep-debug").arg(&stripped).arg(&debug_file).run().assert_silent_success();
    fs::copy(&debug_file, cache.join(id).join("debuginfo")).expect("a copy");
    bare("strip").arg(&stripped).run().assert_silent_success();
    let running = bare(&stripped).start();
    let pid = running.pid().to_string();
    until(running.pid(), |stacks| {
        let begun = |(thread, _): &(Value, Value)| thread["name"] == "deep";
        if threads(stacks).iter().any(begun) { Ok(()) } else { Err("it has just begun".to_owned()) }
    });
    let text = |subject: Subject| {
        let outcome = subject.run();
        outcome.assert_code(0);
        outcome.stdout()
    };
    let look = || bare(launcher()).env("DEBUGINFOD_CACHE_PATH", scratch.path().join("none")).args(["stack", &pid]);
    let named = "tests/programs/waits.c:";
    let without = text(look());
    assert!(!without.contains(named) && without.contains("stripped_waits+0x"), "{without}");
    for with in [
        look().arg("--debug-dir").arg(&usual),
        look().arg("--debug-dir").arg(&cache),
        look().env("DEBUGINFOD_CACHE_PATH", &cache),
    ] {
        let with = text(with);
        assert!(with.contains(named), "{with}");
    }
    let wrong = bare(launcher()).args(["stack", &pid, "--debug-dir", "/nowhere"]).run();
    wrong.assert_code(125);
    assert_eq!(wrong.stderr(), "nosigpipe: /nowhere: no such file or directory\n");
}

#[test]
fn a_process_whose_main_thread_has_ended_has_the_stacks_of_the_others() {
    let code = "import ctypes, threading, time\ndef stay(): time.sleep(1000)\nthreading.Thread(target=stay).start()\n\
        ctypes.CDLL(None).pthread_exit(None)";
    let running = python(code).start();
    let stacks = until(running.pid(), |stacks| match threads(stacks).as_slice() {
        [(thread, _)] if thread["state"] == "sleeps in clock_nanosleep" => Ok(()),
        _ => Err("both threads are there".to_owned()),
    });
    assert_eq!(state(running.pid()), 'Z');
    assert_eq!(stacks["pid"], running.pid());
    let group = &stacks["stacks"][0];
    assert!(group["frames"].as_array().expect("a list").iter().any(|frame| frame["function"] == "start_thread"));
    assert!(group["python"]["frames"].as_array().expect("a list").iter().any(|frame| frame["function"] == "stay"));
    assert!(stacks["command"].as_str().is_some_and(|command| command.contains("pthread_exit")), "{stacks:#}");
}

/// Judges objects of `stack --json`.
fn assert_is_as_the_schema_says(all: Vec<Value>) {
    const JUDGE: &str = "import json, sys\nfrom jsonschema import Draft202012Validator\n\
        schema = json.load(open(sys.argv[1]))\nDraft202012Validator.check_schema(schema)\n\
        for stacks in json.load(sys.stdin):\n    Draft202012Validator(schema).validate(stacks)\n";
    let judge = python(JUDGE).arg(root().join("docs/stacks.schema.json"));
    judge.stdin(Value::from(all).to_string()).run().assert_code(0);
}

#[test]
fn json_is_as_the_schema_says_and_children_are_found() {
    let code =
        "import subprocess, sys\nchild = subprocess.Popen(['sleep', '1000'])\nprint('ready', flush=True)\nchild.wait()";
    let running = python(code).start();
    running.wait_for_line("ready", LIMIT);
    // It has written that before it waits.
    let words = |stacks: &Value| stacks["stacks"][0]["threads"][0]["state"].as_str().unwrap_or_default().to_owned();
    until(running.pid(), |stacks| match words(stacks) {
        waiting if contains(&waiting, "for child @ (sleep)") => Ok(()),
        other => Err(other),
    });
    let outcome = stack(&["--json", "--all-children", &running.pid().to_string()]);
    outcome.assert_code(0);
    let lines: Vec<Value> = outcome.stdout().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let programs: Vec<&str> = lines.iter().filter_map(|stacks| stacks["program"].as_str()).collect();
    assert!(matches!(programs.as_slice(), [first, "sleep"] if first.starts_with("python")), "{programs:?}");
    let waiting = lines[0]["stacks"][0]["threads"][0]["state"].as_str().expect("words");
    assert!(contains(waiting, "for child @ (sleep)"), "{waiting}");

    let waits = bare(program("waits")).start();
    let all: Vec<Value> = lines.into_iter().chain([until(waits.pid(), is_as_wanted)]).collect();
    assert_is_as_the_schema_says(all);
    let schema = stack(&["--schema"]);
    assert_eq!(schema.stdout(), fs::read_to_string(root().join("docs/stacks.schema.json")).expect("the schema"));
}

#[test]
fn what_cannot_be_looked_into_is_said_in_one_line() {
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let outcome = stack(arguments);
        outcome.assert_code(code);
        let said = outcome.stderr();
        assert!(said.contains(words) && said.lines().count() == 1 && outcome.stdout.is_empty(), "{words}\n{outcome}");
    };
    let gone = Command::new("true").spawn().expect("true starts");
    let pid = gone.id().to_string();
    while state(i32::try_from(gone.id()).expect("a pid")) != 'Z' {}
    refused(&[&pid], 3, "has ended, and its parent");
    let mut gone = gone;
    gone.wait().expect("it has ended");
    refused(&[&pid], 3, &format!("no process {pid}"));
    refused(&["0"], 125, "0 is no process");
    refused(&["2147483648"], 125, "from 1 to 2147483647");
    refused(&["-5"], 125, "unexpected argument");
    refused(&["nginx"], 125, "from 1 to 2147483647");
    refused(&[], 125, "<PID>");

    // One tracer at a time.
    let traced = bare("python3").args(["-c", "import ctypes, os, time\nchild = os.fork()\nif child == 0: time.sleep(1000)\n\
        libc = ctypes.CDLL(None)\nprint('traced', child, libc.ptrace(0x4206, child, None, None), flush=True)\ntime.sleep(1000)"]);
    let traced = traced.start();
    let line = traced.wait_for_line("traced", LIMIT);
    let child = line.split(' ').nth(1).expect("a pid");
    refused(&[child], 4, &format!("is traced by process {} (python", traced.pid()));
    // SAFETY: it takes numbers only.
    unsafe { libc::kill(child.parse().expect("a pid"), libc::SIGKILL) };

    // A thread stands for its process, and of several processes the others are shown.
    let running = bare(program("waits")).start();
    until(running.pid(), is_as_wanted);
    let tasks = fs::read_dir(format!("/proc/{}/task", running.pid())).expect("it is there").flatten();
    let tid = tasks.filter_map(|task| task.file_name().into_string().ok()).max().expect("a thread");
    let outcome = stack(&[&tid, &pid]);
    outcome.assert_code(3);
    assert!(outcome.stderr().contains(&format!("{tid} is a thread of process {} (waits)", running.pid())), "{outcome}");
    assert!(outcome.stdout().contains("\"conditional\""), "{outcome}");
}
