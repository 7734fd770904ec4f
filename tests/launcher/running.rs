//! `run`: the process becomes the program, and starts with what the launcher was started with.

use std::fs;

use harness::{SIGKILL, bare, launched, launcher, library, program, root};

use crate::scratch::{Scratch, assert_refused, hello, nosigpipe};

fn library_name() -> String {
    library().display().to_string()
}

#[test]
fn the_process_becomes_the_program() {
    let running = launched(&[], "sh").args(["-c", "echo pid $$; read forever"]).stdin("").start();
    let line = running.wait_for_line("pid", std::time::Duration::from_secs(60));
    assert_eq!(line, format!("pid {}", running.pid()));
}

#[test]
fn exit_status_and_signals_are_the_programs_own() {
    launched(&[], "sh").args(["-c", "exit 7"]).run().assert_code(7).assert_silent();
    launched(&[], "sh").args(["-c", "kill -9 $$"]).run().assert_killed_by(SIGKILL).assert_silent();
}

#[test]
fn a_program_that_is_linked_with_musl_is_started_like_any_other() {
    let scratch = Scratch::new();
    let path = scratch.path("hello");
    let source = root().join("tests/programs/hello.c");
    bare("musl-gcc").arg("-o").args([&path, &source]).run().assert_code(0);
    launched(&[], &path).run().assert_silent_success().assert_stdout("hello\n");
    let check = nosigpipe().arg("check").arg(&path).run().assert_silent_success().stdout();
    assert!(check.contains("nosigpipe run would start it with the library in it"), "{check}");
    assert!(!check.contains("missing"), "{check}");
}

#[test]
fn the_library_is_preloaded_by_its_absolute_path_once() {
    let show = "echo $LD_PRELOAD";
    launched(&[], "sh").args(["-c", show]).run().assert_silent_success().assert_stdout(&(library_name() + "\n"));
    let nested = launched(&[], launcher()).args(["run", "sh", "-c", show]).run();
    nested.assert_silent_success().assert_stdout(&(library_name() + "\n"));
}

#[test]
fn what_was_preloaded_before_stays_behind_the_library() {
    for inherited in ["libm.so.6:libdl.so.2", "libm.so.6 libdl.so.2", ":libm.so.6::libdl.so.2 "] {
        let outcome = launched(&[], "sh").args(["-c", "echo $LD_PRELOAD"]).env("LD_PRELOAD", inherited).run();
        outcome.assert_silent_success().assert_stdout(&format!("{}:libm.so.6:libdl.so.2\n", library_name()));
    }
}

#[test]
fn another_copy_of_the_library_is_not_loaded_beside_it() {
    let scratch = Scratch::new();
    let copy = scratch.copy(library(), "libnosigpipe.so");
    let link = scratch.path("by-another-name.so");
    std::os::unix::fs::symlink(library(), &link).unwrap();
    let inherited = format!("{}:libm.so.6:{}:{}", copy.display(), link.display(), library_name());
    let outcome = launched(&[], "sh").args(["-c", "echo $LD_PRELOAD"]).env("LD_PRELOAD", inherited).run();
    outcome.assert_silent_success().assert_stdout(&format!("{}:libm.so.6\n", library_name()));
}

#[test]
fn the_program_is_the_process_that_was_started_with_the_library() {
    let state = program("sigpipe_state");
    let outcome = launched(&[], &state).env("NOSIGPIPE_PROCESS", "1").run();
    outcome.assert_silent_success().assert_stdout("believes ignored, kernel ignored\n");
    // What was started by such a process is that of another run, even if it is the child of the first.
    let nested = format!("{} run {}; exit $?", launcher().display(), state.display());
    let outcome = launched(&[], "sh").args(["-c", &nested]).run();
    outcome.assert_silent_success().assert_stdout("believes ignored, kernel ignored\n");
}

#[test]
fn each_flag_becomes_its_variable_and_comes_before_it() {
    let flags = [
        ("scope", "sockets"),
        ("crash", "first"),
        ("crash-signals", "segv,abrt"),
        ("crash-timeout", "3"),
        ("threads", "crashed"),
        ("values", "on"),
        ("report", "/tmp"),
        ("format", "json"),
        ("core", "0"),
        ("only", "env"),
        ("log", "broken-pipes"),
    ];
    let given: Vec<_> = flags.iter().map(|(flag, value)| format!("--{flag}={value}")).collect();
    let given: Vec<_> = given.iter().map(String::as_str).collect();
    let outcome = launched(&given, "env").env("NOSIGPIPE_SCOPE", "tree").run();
    outcome.assert_silent_success();
    for (flag, value) in flags {
        let line = format!("NOSIGPIPE_{}={value}", flag.to_uppercase().replace('-', "_"));
        assert_eq!(outcome.stdout().lines().filter(|entry| **entry == line).count(), 1, "{line}\n{outcome}");
    }
    assert!(!outcome.stdout().contains("tree"), "{outcome}");
}

#[test]
fn a_wrong_value_is_one_line_that_says_what_is_allowed() {
    let wrong = "it must be process, sockets, tree or off";
    for value in ["proces", "", "PROCESS", "process,sockets"] {
        let flag = format!("--scope={value}");
        let line = format!("{flag} is not allowed: {wrong}");
        assert_refused(launched(&[&flag], "true"), 125, &line);
    }
    let line = "--crash-timeout=0 is not allowed: it must be a number of seconds from 1 to 3600";
    assert_refused(nosigpipe().args(["run", "--crash-timeout", "0", "true"]), 125, line);
}

#[test]
fn everything_after_the_program_is_the_programs() {
    let outcome = nosigpipe().args(["run", "printf", "%s,", "--scope=x", "--help", "--", "-h", "--version"]).run();
    outcome.assert_silent_success().assert_stdout("--scope=x,--help,--,-h,--version,");
}

#[test]
fn arguments_and_environment_are_passed_on_byte_by_byte() {
    use std::os::unix::ffi::OsStrExt;
    let strange = std::ffi::OsStr::from_bytes(b"a\xff\n b");
    let outcome = launched(&[], "sh").args(["-c", "printf %s \"$1$STRANGE\"", "sh"]).arg(strange);
    let outcome = outcome.env("STRANGE", strange).run();
    outcome.assert_silent_success();
    assert_eq!(outcome.stdout, b"a\xff\n ba\xff\n b");
}

/// Shells and `env` don't make such entries, but execve(2) takes them.
#[test]
fn entries_of_the_environment_that_are_no_variables_are_passed_on() {
    let scratch = Scratch::new();
    let show = "#include <stdio.h>\nextern char **environ;\n\
                int main(void) { for (char **e = environ; *e; e++) puts(*e); }\n";
    let show = scratch.compile("show", show, &[]);
    let start = "#include <unistd.h>\nint main(int c, char **v) {\n\
                 char *e[] = {\"no-equals-sign\", \"=x\", \"A=1\", \"A=2\", \"NOSIGPIPE_PROCESS=1\", 0};\n\
                 return execve(v[1], v + 1, e) + 0 * c; }\n";
    let outcome = bare(scratch.compile("start", start, &[])).arg(launcher()).arg("run").arg(&show).run();
    outcome.assert_silent_success();
    let lines: Vec<_> = outcome.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines[..4], ["no-equals-sign", "=x", "A=1", "A=2"]);
    assert_eq!(lines[4], format!("LD_PRELOAD={}", library_name()));
    assert!(
        lines[5].starts_with("NOSIGPIPE_PROCESS=") && lines[5] != "NOSIGPIPE_PROCESS=1" && lines.len() == 6,
        "{outcome}"
    );
}

#[test]
fn signals_start_as_they_were() {
    let show = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"];
    for prefix in [&[][..], &["--block-signal=USR1", "--ignore-signal=PIPE", "--ignore-signal=HUP"]] {
        let expected = bare("env").args(prefix).args(show).run().stdout();
        let outcome = bare("env").args(prefix).arg(launcher()).args(["run", "--scope=off"]).args(show).run();
        outcome.assert_silent_success().assert_stdout(&expected);
        assert_eq!(expected.contains("0000000000000200"), !prefix.is_empty());
    }
}

#[test]
fn closed_descriptors_stay_closed_and_no_other_is_open() {
    let show = |prefix: &str| {
        // Not by a glob: the shell would open the directory itself. find says so when its stderr is closed, and fails.
        let script = format!("exec {prefix} find /proc/self/fd -printf '%f\n' <&- 2>&-");
        bare("sh").args(["-c", &script]).run().stdout()
    };
    let expected = show("");
    assert!(expected.contains("\n1\n") && !expected.contains("\n2\n"), "{expected}");
    assert_eq!(show(&format!("{} run", launcher().display())), expected);
}

#[test]
fn a_text_without_interpreter_line_is_run_by_the_shell_as_execvp_does() {
    let scratch = Scratch::new();
    let script = scratch.script("script", "echo $0: $*; exit 3\n");
    let outcome = launched(&[], &script).args(["a", "b"]).run();
    outcome.assert_code(3).assert_silent().assert_stdout(&format!("{}: a b\n", script.display()));
    launched(&[], scratch.script("empty", "")).run().assert_silent_success();
}

#[test]
fn what_no_kernel_knows_is_not_executable() {
    let scratch = Scratch::new();
    let junk = scratch.file("junk", b"\x01\x02\x00\x03 not a program", 0o755);
    assert_refused(launched(&[], &junk), 126, &format!("{}: exec format error", junk.display()));
    let mut broken = fs::read(hello(&[])).unwrap();
    broken.truncate(100);
    let broken = scratch.file("broken", broken, 0o755);
    let outcome = launched(&[], &broken).run();
    outcome.assert_code(126);
    assert!(outcome.stderr().starts_with(&format!("nosigpipe: {}: damaged ELF file", broken.display())), "{outcome}");
}

#[test]
fn scripts_run_by_what_they_name() {
    let scratch = Scratch::new();
    let one = scratch.script("one", "#!/bin/sh\necho $1 $LD_PRELOAD\n");
    launched(&[], &one).arg("x").run().assert_silent_success().assert_stdout(&format!("x {}\n", library_name()));
    let two = scratch.script("two", &format!("#! {} \nnever read\n", one.display()));
    let expected = format!("{} {}\n", two.display(), library_name());
    launched(&[], &two).run().assert_silent_success().assert_stdout(&expected);
    let by_env = scratch.script("by-env", "#!/usr/bin/env -S A=b sh -e\nfalse\n");
    launched(&[], &by_env).run().assert_code(1).assert_silent();
}

/// Go's own runtime takes SIGPIPE, through libc's sigaction where there is cgo. With the library, what Go's own write and
/// C's write make of a broken connection is as it was, and a broken standard output still ends the program.
const GO: &str = r#"package main

// #include <unistd.h>
// static long c_write(int fd) { return write(fd, "x", 1); }
import "C"

import (
	"fmt"
	"net"
	"os"
)

func main() {
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	client, _ := net.Dial("tcp", listener.Addr().String())
	server, _ := listener.Accept()
	client.(*net.TCPConn).CloseWrite()
	client.(*net.TCPConn).SetLinger(0)
	client.Close()
	file, _ := server.(*net.TCPConn).File()
	c := C.c_write(C.int(file.Fd()))
	_, err := server.Write([]byte("x"))
	fmt.Fprintln(os.Stderr, c, err.(*net.OpError).Err)
	for len(os.Args) > 1 {
		fmt.Println("y")
	}
}
"#;

#[test]
fn a_go_program_is_run_and_what_holds_for_it_is_said() {
    let scratch = Scratch::new();
    scratch.file("main.go", GO, 0o644);
    let program = scratch.path("main");
    let build = bare("go").args(["build", "-o", "main", "main.go"]).current_dir(scratch.path(""));
    build.env("GOCACHE", scratch.path("cache")).limit(std::time::Duration::from_secs(200)).run().assert_code(0);
    let remark = format!("nosigpipe: {} is a Go program, whose runtime makes its own system calls", program.display());
    for scope in ["process", "sockets", "tree", "off"] {
        let outcome = launched(&["--scope", scope], &program).run();
        outcome.assert_code(0);
        let stderr = outcome.stderr();
        let (first, rest) = stderr.split_once('\n').unwrap();
        assert!(first.starts_with(&remark), "{outcome}");
        assert_eq!(rest, "-1 write: broken pipe\n", "{outcome}");
        // Endless output into a pipe that closes: it ends by SIGPIPE, of Go's own doing.
        let pipeline = format!(
            "{} run --scope {scope} {} x | head -1; echo ${{PIPESTATUS[0]}}",
            launcher().display(),
            program.display()
        );
        bare("bash").args(["-c", &pipeline]).run().assert_code(0).assert_stdout("y\n141\n");
    }
    assert_eq!(bare(&program).run().stderr(), "-1 write: broken pipe\n");
}

#[test]
fn the_started_process_is_named_where_a_program_that_does_not_ask_libc_finds_it() {
    // What the process was executed with, and not what the constructor put into environ(7).
    let show = "tr '\\0' '\\n' </proc/$$/environ | grep NOSIGPIPE_PROCESS= | grep -vx NOSIGPIPE_PROCESS=$$";
    for environment in [None, Some(("NOSIGPIPE_PROCESS", "1")), Some(("NOSIGPIPE_ONLY", ""))] {
        let subject = launched(&[], "sh")
            .args(["-c", &format!("{show}; test $? = 1 && grep -qa NOSIGPIPE_PROCESS=$$ /proc/$$/environ")]);
        let subject = environment.into_iter().fold(subject, |subject, (name, value)| subject.env(name, value));
        subject.run().assert_silent_success().assert_stdout("");
    }
    // Not where it may be another process that the library is for.
    launched(&["--only", "server"], "sh")
        .args(["-c", "grep -a NOSIGPIPE_PROCESS= /proc/$$/environ"])
        .run()
        .assert_code(1);
}
