//! `status`: what is read out of a running process.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{Running, SIGKILL, Subject, bare, launched, library, preloaded, program, status};
use serde_json::{Value, json};

use crate::scratch::{Scratch, as_nobody, assert_refused, is_root, nosigpipe};

/// A Python program that has done what it is here for and waits for us.
fn waiting(flags: &[&str], script: &str) -> Running {
    ready(launched(flags, "python3").args(["-c", &format!("{script}\n{READY}")]))
}

const READY: &str = "import os, time\nos.write(1, b'ready\\n')\ntime.sleep(60)";

fn ready(subject: Subject) -> Running {
    let running = subject.start();
    running.wait_for_line("ready", Duration::from_secs(60));
    running
}

/// A program that leaves all signals alone, and waits for us.
fn plain(scratch: &Scratch) -> PathBuf {
    let source = "#include <unistd.h>\nint main(void) { write(1, \"ready\\n\", 6); pause(); }\n";
    scratch.compile("plain", source, &[])
}

/// Python sets SIGPIPE to SIG_IGN itself; this takes it back.
const DEFAULT: &str = "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)";

#[test]
fn scope_belief_and_kernel_are_told_in_each_scope() {
    let scratch = Scratch::new();
    let plain = plain(&scratch);
    for (scope, untouched) in [("process", "ignore"), ("sockets", "default"), ("tree", "ignore"), ("off", "default")] {
        let running = ready(launched(&["--scope", scope], &plain));
        let state = status(running.pid());
        assert_eq!(state["stage"], "active");
        assert_eq!(state["scope"], scope);
        assert_eq!(state["program"]["sigpipe"], untouched, "{state:#}");
        let kernel = if scope == "sockets" { "handler" } else { untouched };
        assert_eq!(state["kernel"], json!({ "sigpipe": kernel, "blocked": false }), "{state:#}");
        assert_eq!(state["library"], library().to_str().unwrap());
        assert_eq!(state["pid"], running.pid());
        assert_eq!(state["counters"]["of_pid"], running.pid());

        let default = waiting(&["--scope", scope], DEFAULT);
        let state = status(default.pid());
        assert_eq!(state["program"]["sigpipe"], "default");
        assert_eq!(state["kernel"]["sigpipe"], if scope == "off" { "default" } else { "handler" });
    }
}

#[test]
fn the_programs_handler_is_told_with_its_module() {
    let running = waiting(&[], "import signal; signal.signal(signal.SIGPIPE, lambda *_: None)");
    let state = status(running.pid());
    assert_eq!(state["program"]["sigpipe"], "handler");
    assert!(state["program"]["handler"].as_str().unwrap().starts_with("0x"), "{state:#}");
    assert!(state["program"]["handler_in"].as_str().unwrap().contains("python"), "{state:#}");
}

#[test]
fn a_blocked_sigpipe_is_told() {
    let running = waiting(&[], "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])");
    assert_eq!(status(running.pid())["kernel"]["blocked"], true);
}

const TWO_BROKEN: &str = "
import socket, os
for call in (lambda s: s.send(b'x'), lambda s: os.write(s.fileno(), b'x')):
    a, b = socket.socketpair()
    b.close()
    try: call(a)
    except BrokenPipeError: pass
";

#[test]
fn broken_pipes_are_counted_by_call_and_what_cannot_be_counted_is_said() {
    let silent = status(waiting(&[], TWO_BROKEN).pid());
    let counters = &silent["counters"];
    assert_eq!(counters["broken_pipes"]["send"], 1);
    assert_eq!(counters["broken_pipes"]["write"], 0);
    assert!(counters["not_counted"].as_array().unwrap().contains(&json!("write")), "{silent:#}");
    assert_eq!(counters["sockets"], 4);

    // With a handler in the kernel each is counted: the one that the log needs, or the guard of a program that has not
    // ignored SIGPIPE.
    let guarded = format!("{DEFAULT}\n{TWO_BROKEN}");
    for (flag, script) in [("--log=summary", TWO_BROKEN), ("--scope=sockets", &guarded), ("--scope=process", &guarded)]
    {
        let told = status(waiting(&[flag], script).pid());
        assert_eq!(told["counters"]["broken_pipes"]["send"], 1);
        assert_eq!(told["counters"]["broken_pipes"]["write"], 1, "{flag}");
        assert_eq!(told["counters"]["not_counted"], json!([]));
    }
}

#[test]
fn the_text_says_it_for_people() {
    let running = waiting(&[], TWO_BROKEN);
    let outcome = nosigpipe().args(["status", &running.pid().to_string()]).run();
    outcome.assert_silent_success();
    for line in [
        format!("process   {} (python3", running.pid()),
        format!("library   {}, in force", library().display()),
        "scope     process: ".into(),
        "program   believes that SIGPIPE is ignored".into(),
        "kernel    ignores SIGPIPE".into(),
        "sockets   4 made, 0 accepted".into(),
        "survived  1 broken pipes: send 1".into(),
        "          not counted while the kernel ignores SIGPIPE: write, ".into(),
    ] {
        assert!(outcome.stdout().lines().any(|shown| shown.starts_with(&line)), "{line}\n{outcome}");
    }
}

#[test]
fn a_library_that_only_acts_elsewhere_is_inert_and_that_has_a_code_of_its_own() {
    let running = waiting(&["--only=another"], "");
    let outcome = nosigpipe().args(["status", "--json", &running.pid().to_string()]).run();
    outcome.assert_code(1).assert_silent();
    let state: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!(state["stage"], "inert");
}

#[test]
fn a_forked_child_has_counters_of_its_own() {
    // The child says so itself: the library is told of the fork a little after it.
    let fork = "import os, time\nif not os.fork():\n  os.write(1, b'child %d\\n' % os.getpid())\n  time.sleep(60)";
    let running = waiting(&[], &format!("{TWO_BROKEN}\n{fork}"));
    let line = running.wait_for_line("child", Duration::from_secs(60));
    let child: i32 = line.strip_prefix("child ").and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    let state = status(child);
    assert_eq!(state["counters"]["of_pid"], child);
    assert_eq!(state["counters"]["sockets"], 0);
    assert_eq!(status(running.pid())["counters"]["sockets"], 4);
}

#[test]
fn the_library_is_found_under_another_name_and_after_its_file_is_gone() {
    let scratch = Scratch::new();
    let copy = scratch.copy(library(), "quite different.so");
    let renamed = scratch.path("quite-different.so");
    fs::rename(copy, &renamed).unwrap();
    let running = bare(program("sigpipe_state")).env("LD_PRELOAD", &renamed).run();
    running.assert_silent_success().assert_stdout("believes ignored, kernel ignored\n");
    let running = ready(bare(plain(&scratch)).env("LD_PRELOAD", &renamed));
    fs::remove_file(&renamed).unwrap();
    let state = status(running.pid());
    assert_eq!(state["stage"], "active");
    assert_eq!(state["library"], format!("{} (deleted)", renamed.display()));
}

#[test]
fn each_way_of_not_knowing_has_its_own_code_and_line() {
    let scratch = Scratch::new();
    let without = ready(bare(plain(&scratch)));
    let pid = without.pid();
    let line = format!(
        "the library is not loaded in process {pid} (plain): it was executed without LD_PRELOAD in its environment"
    );
    assert_refused(nosigpipe().args(["status", &pid.to_string()]), 2, &line);
    // Above every pid_max.
    assert_refused(nosigpipe().args(["status", "4194305"]), 3, "no process 4194305");
    for wrong in ["0", "-1", "x", "4294967296", ""] {
        let outcome = nosigpipe().args(["status", "--", wrong]).run();
        outcome.assert_code(125).assert_stdout("");
        assert_eq!(outcome.stderr().lines().count(), 1, "{outcome}");
    }
}

#[test]
fn a_process_that_its_parents_library_has_not_reached_says_why() {
    let scratch = Scratch::new();
    let program = plain(&scratch);
    // A parent that has the library executes the program in an environment of its making, and waits for what that says.
    let start = |environment: &str| {
        let running = waiting(
            &[],
            &format!(
                "import os\nfrom_child, to_parent = os.pipe()\nchild = os.fork()\n\
                 if not child: os.dup2(to_parent, 1); os.execve({:?}, ['plain'], {environment})\n\
                 os.read(from_child, 1)\nos.write(1, b'child %d\\n' % child)",
                program.to_str().unwrap()
            ),
        );
        let line = running.wait_for_line("child", Duration::from_secs(60));
        let child: u32 = line.strip_prefix("child ").unwrap().parse().unwrap();
        (running, child)
    };
    for (environment, reason) in [
        ("{}", "from which it comes, has the library, but it was executed without LD_PRELOAD in its environment"),
        (
            "{'LD_PRELOAD': '/not/there/libnosigpipe.so'}",
            "LD_PRELOAD names /not/there/libnosigpipe.so, which is not there for it",
        ),
        ("{'LD_PRELOAD': 'libm.so.6'}", "LD_PRELOAD names other libraries: libm.so.6"),
    ] {
        let (_parent, child) = start(environment);
        let outcome = nosigpipe().args(["status", &child.to_string()]).run();
        outcome.assert_code(2).assert_stdout("");
        assert!(outcome.stderr().contains(reason), "{outcome}");
        let outcome = nosigpipe().args(["status", "--json", &child.to_string()]).run();
        outcome.assert_code(2);
        assert!(outcome.stdout().contains(reason) && outcome.stdout().contains("\"library\": null"), "{outcome}");
    }
}

#[test]
fn a_process_that_has_ended_is_none() {
    let end = "import os\nchild = os.fork()\nif not child: os._exit(0)\n\
               os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)\nos.write(1, b'child %d\\n' % child)";
    let running = waiting(&[], end);
    let line = running.wait_for_line("child", Duration::from_secs(60));
    let child = line.strip_prefix("child ").unwrap();
    let line = format!("process {child} has ended, and its parent has not asked how");
    assert_refused(nosigpipe().args(["status", child]), 3, &line);
}

#[test]
fn a_process_whose_main_thread_has_ended_is_there() {
    let end = "import ctypes, os, threading\n\
               def told():\n  while open('/proc/self/stat').read().rpartition(') ')[2][0] != 'Z': pass\n  \
               os.write(1, b'ready\\n')\n  threading.Event().wait()\n\
               threading.Thread(target=told).start()\nctypes.CDLL(None).pthread_exit(None)";
    let running = ready(launched(&[], "python3").args(["-c", end]));
    let pid = running.pid().to_string();
    let outcome = nosigpipe().args(["status", &pid]).run();
    outcome.assert_silent_success();
    assert!(outcome.stdout().contains(", in force\n") && !outcome.stdout().contains("counters"), "{outcome}");
}

#[test]
fn a_name_that_is_no_text_does_not_keep_one_from_looking() {
    // The kernel cuts a name after 15 bytes, in the middle of a letter.
    let named = "import ctypes\nctypes.CDLL(None).prctl(15, 'почтовый'.encode())";
    let running = waiting(&[], named);
    let pid = running.pid().to_string();
    for command in ["status", "stack"] {
        let outcome = nosigpipe().args([command, &pid]).run();
        outcome.assert_silent_success();
        assert!(outcome.stdout().contains("почтовы"), "{outcome}");
    }
}

#[test]
fn a_process_that_is_ending_is_none() {
    // Memory that the kernel takes its time to take apart; the process is there without it until that is done.
    let large = "import mmap\nmemory = mmap.mmap(-1, 256 << 20)\n\
                 for page in range(0, 256 << 20, 4096): memory[page] = 1";
    let running = waiting(&[], large);
    let pid = running.pid().to_string();
    running.signal(SIGKILL);
    let begin = Instant::now();
    loop {
        let [status, stack] = ["status", "stack"].map(|command| nosigpipe().args([command, &pid]).run());
        for outcome in [&status, &stack] {
            assert!([Some(0), Some(3)].contains(&outcome.code()), "{outcome}");
        }
        if stack.stderr() == format!("nosigpipe: no process {pid}\n") {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{stack}");
    }
}

#[test]
fn another_users_process_is_out_of_reach() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new();
    let launcher = scratch.install("bin", "lib");
    let plain = plain(&scratch);
    let running = ready(preloaded(&plain));
    let pid = running.pid().to_string();
    let line = format!(
        "no permission to look into process {pid}: it runs as uid 0, and we as 65534: be its user, or root (CAP_SYS_PTRACE)"
    );
    assert_refused(as_nobody(bare(&launcher).args(["status", &pid])), 4, &line);

    let own = ready(as_nobody(bare(&plain).env("LD_PRELOAD", scratch.path("lib/libnosigpipe.so"))));
    let pid = own.pid().to_string();
    as_nobody(bare(&launcher).args(["status", "--json", &pid])).run().assert_silent_success();
    // Root, as containers have it.
    let without = nosigpipe().args(["status", &pid]).command(|command| {
        const CAP_SYS_PTRACE: libc::c_ulong = 19;
        // SAFETY: the closure makes one system call.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0);
                Ok(())
            });
        }
    });
    let line = format!(
        "no permission to look into process {pid}: root without CAP_SYS_PTRACE, as in a container: start that with \
         --cap-add=SYS_PTRACE, or look from outside of it"
    );
    assert_refused(without, 4, &line);
}

#[test]
fn an_unknown_version_of_the_library_is_not_misread() {
    let scratch = Scratch::new();
    let text = "struct { char magic[8]; unsigned version, size; char rest[4096]; } nosigpipe_state = { \"nosigpip\", 99, 4112, \"\" };\n";
    let newer = scratch.compile("newer.so", text, &["-shared", "-fPIC"]);
    let running = ready(bare(plain(&scratch)).env("LD_PRELOAD", &newer));
    let outcome = nosigpipe().args(["status", &running.pid().to_string()]).run();
    outcome.assert_code(5).assert_stdout("");
    assert!(outcome.stderr().contains("its state has version 99 and this launcher knows version"), "{outcome}");
}

#[test]
fn of_two_copies_the_one_whose_state_is_used_is_shown() {
    let scratch = Scratch::new();
    let copy = scratch.path("copy.so");
    fs::copy(library(), &copy).unwrap();
    for (first, second) in [(library(), copy.as_path()), (copy.as_path(), library())] {
        let both = format!("{}:{}", first.display(), second.display());
        let running = ready(bare(plain(&scratch)).env("LD_PRELOAD", both));
        let state = status(running.pid());
        assert_eq!((&state["stage"], &state["scope"]), (&json!("active"), &json!("process")), "{state:#}");
        assert_eq!(state["library"], first.to_str().unwrap());
    }
}

#[test]
fn a_library_that_the_program_has_loaded_itself_is_not_in_force() {
    let script = format!("import ctypes; ctypes.CDLL({:?})\n{READY}", library().to_str().unwrap());
    let running = ready(bare("python3").args(["-c", &script]));
    let outcome = nosigpipe().arg("status").arg(running.pid().to_string()).run();
    outcome.assert_code(1);
    assert!(outcome.stdout().contains("loaded, but the program's calls bypass it"), "{outcome}");
}

/// The entry of a signal in a status.
fn signal<'a>(state: &'a Value, name: &str) -> &'a Value {
    let signals = state["signals"].as_array().unwrap();
    signals.iter().find(|signal| signal["signal"] == name).unwrap_or_else(|| panic!("no {name} in {state:#}"))
}

#[test]
fn whose_handler_each_signal_has_is_told() {
    let script = "import signal\nsignal.signal(signal.SIGILL, lambda *_: None)\n\
                  signal.signal(signal.SIGBUS, signal.SIG_IGN)\n\
                  signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGFPE])";
    let running = waiting(&["--crash-signals=segv,bus,ill,fpe"], script);
    let state = status(running.pid());
    let told = |name| {
        let signal = signal(&state, name);
        (signal["owned"] == true, signal["program"].as_str().unwrap(), signal["kernels_handler"].as_str())
    };
    assert_eq!(told("SIGPIPE"), (true, "ignore", None), "{state:#}");
    assert_eq!(told("SIGSEGV"), (true, "default", Some("library")), "{state:#}");
    assert_eq!(told("SIGBUS"), (true, "ignore", None), "{state:#}");
    assert_eq!(told("SIGILL"), (true, "handler", Some("program")), "{state:#}");
    assert_eq!(told("SIGABRT"), (false, "default", None), "{state:#}");
    assert!(signal(&state, "SIGILL")["handler_in"].as_str().unwrap().contains("python"), "{state:#}");
    assert_eq!(signal(&state, "SIGFPE")["blocked"], true, "{state:#}");
    assert!(state["signals"].as_array().unwrap().iter().all(|signal| signal["agrees"] == true), "{state:#}");
    let text = nosigpipe().arg("status").arg(running.pid().to_string()).run().stdout();
    for line in [
        "signals   SIGPIPE, SIGBUS: ignored",
        "          SIGSEGV: the library's handler: reported",
        "          SIGFPE: the library's handler: reported; blocked in the main thread",
        "          SIGABRT, SIGTRAP, SIGSYS: left alone: the default action",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
}

#[test]
fn where_reports_go_is_told() {
    let scratch = Scratch::new();
    let directory = scratch.path("");
    let report = format!("--report=syslog,{}", directory.display());
    let running = waiting(&[&report, "--format=json", "--crash=first", "--log=summary"], "");
    let state = status(running.pid());
    assert_eq!(
        state["reports"],
        json!({ "crash": "first", "format": "json", "targets": ["syslog"], "directory": directory.to_str().unwrap() })
    );
    assert_eq!(state["log"], "summary");
    assert_eq!(signal(&state, "SIGPIPE")["kernels_handler"], "library", "{state:#}");
    let running = waiting(&["--crash=off"], "");
    let state = status(running.pid());
    assert_eq!(state["reports"]["crash"], "off", "{state:#}");
    assert_eq!(signal(&state, "SIGSEGV")["owned"], false, "{state:#}");
}

#[test]
fn what_a_plugin_sets_past_the_hooks_is_told() {
    let scratch = Scratch::new();
    let plugin = "#include <signal.h>\nvoid start(void) {\n\
                  signal(SIGSEGV, SIG_DFL); signal(SIGBUS, SIG_IGN); signal(SIGPIPE, SIG_DFL); }\n";
    let plugin = scratch.compile("plugin.so", plugin, &["-shared", "-fPIC"]);
    let host = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stdio.h>\n#include <unistd.h>\n\
                int main(int count, char **arguments) {\n\
                void *plugin = count > 2 ? dlmopen(LM_ID_NEWLM, arguments[1], RTLD_NOW)\n\
                    : dlopen(arguments[1], RTLD_NOW | RTLD_DEEPBIND);\n\
                if (!plugin) { puts(dlerror()); return 1; }\n\
                ((void (*)(void)) dlsym(plugin, \"start\"))();\n\
                write(1, \"ready\\n\", 6); pause(); }\n";
    let host = scratch.compile("host", host, &["-ldl"]);
    for arguments in [&["deepbind"][..0], &["dlmopen"]] {
        let running = ready(launched(&[], &host).arg(&plugin).args(arguments));
        let state = status(running.pid());
        for (name, kernel, agrees) in [
            ("SIGSEGV", "default", false),
            ("SIGBUS", "ignore", false),
            ("SIGPIPE", "default", false),
            ("SIGILL", "handler", true),
        ] {
            let signal = signal(&state, name);
            assert_eq!((&signal["kernel"], &signal["agrees"]), (&json!(kernel), &json!(agrees)), "{name} {state:#}");
        }
        let text = nosigpipe().arg("status").arg(running.pid().to_string()).run().stdout();
        assert!(text.contains("SIGSEGV: DISAGREES: the kernel has the default action"), "{text}");
        assert!(text.contains("SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS: the library's handler: reported"), "{text}");
    }
}

/// `status --tree` as JSON, by pid.
fn tree(pid: i32, code: i32) -> (Value, impl Fn(i64) -> Value) {
    let outcome = nosigpipe().args(["status", "--tree", "--json", &pid.to_string()]).run();
    outcome.assert_code(code).assert_silent();
    let tree: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    let processes = tree["processes"].as_array().unwrap().clone();
    (tree, move |pid| processes.iter().find(|process| process["pid"] == pid).cloned().unwrap_or_default())
}

#[test]
fn a_tree_says_which_processes_are_covered_and_why_not() {
    let scratch = Scratch::new();
    let plain = plain(&scratch);
    let shown = plain.to_str().unwrap();
    // A child that has the library, one whose environment was scrubbed, and one of that one's with a wrong library.
    let script = format!(
        "import os, subprocess as s\npids = []\n\
         for environment in (None, {{}}, {{'LD_PRELOAD': 'libm.so.6'}}):\n  \
           child = s.Popen([{shown:?}], env=environment, stdout=s.PIPE); child.stdout.readline(); pids.append(child.pid)\n\
         middle = s.Popen(['env', '-i', '/bin/sh', '-c', '{shown} & echo $!; wait'], stdout=s.PIPE, stdin=s.DEVNULL)\n\
         lines = sorted(middle.stdout.readline() for _ in range(2)); pids += [middle.pid, int(lines[0])]\n\
         os.write(1, b'children %s\\n' % ' '.join(map(str, pids)).encode())"
    );
    let running = waiting(&[], &script);
    let line = running.wait_for_line("children", Duration::from_secs(60));
    let pids: Vec<i64> = line.split_whitespace().skip(1).map(|pid| pid.parse().unwrap()).collect();
    let &[inherits, scrubbed, other, middle, below] = pids.as_slice() else { panic!("{line}") };
    let (whole, of) = tree(running.pid(), 1);
    assert_eq!((&whole["covered"], &whole["left_out"]), (&json!(2), &json!(0)), "{whole:#}");
    assert_eq!(whole["processes"].as_array().unwrap().len(), 6, "{whole:#}");
    let reason = |pid| of(pid)["reason"].as_str().unwrap_or_default().to_owned();
    assert_eq!((&of(inherits)["covered"], &of(inherits)["scope"]), (&json!(true), &json!("sockets")), "{whole:#}");
    let without = format!("process {} (python3", running.pid());
    assert!(reason(scrubbed).starts_with(&without) && reason(scrubbed).contains("without LD_PRELOAD"), "{whole:#}");
    assert_eq!(reason(other), "LD_PRELOAD names other libraries: libm.so.6");
    assert!(reason(below).starts_with(&without), "{whole:#}");
    assert_eq!((&of(below)["parent"], &of(below)["depth"]), (&json!(middle), &json!(2)), "{whole:#}");

    let text = nosigpipe().args(["status", "--tree", &running.pid().to_string()]).run().stdout();
    for line in [
        format!("{} python3", running.pid()),
        format!("  {inherits} plain: in force, scope sockets"),
        format!("  {scrubbed} plain: NOT COVERED: {without}"),
        format!("    {below} plain: NOT COVERED: {without}"),
        "2 of 6 processes are covered".into(),
    ] {
        assert!(text.lines().any(|shown| shown.starts_with(&line)), "{line}\n{text}");
    }
    // A tree of nothing but covered processes ends with 0, one that is not there with 3.
    let alone = ready(launched(&[], &plain));
    let (whole, _) = tree(alone.pid(), 0);
    assert_eq!(whole["covered"], 1);
    assert_refused(nosigpipe().args(["status", "--tree", "4194305"]), 3, "no process 4194305");
}

#[test]
fn a_tree_that_is_deep_is_shown_whole() {
    // Each generation is a fork of the one before.
    let script = "import os\nfor depth in range(60):\n  if os.fork(): time.sleep(60)\nos.write(1, b'deepest\\n')";
    let running = launched(&[], "python3").args(["-c", &format!("import time\n{script}\n{READY}")]).start();
    running.wait_for_line("deepest", Duration::from_secs(60));
    let (whole, _) = tree(running.pid(), 0);
    assert_eq!(whole["covered"], 61, "{whole:#}");
    assert!(whole["processes"].as_array().unwrap().iter().any(|process| process["depth"] == 60), "{whole:#}");
}
