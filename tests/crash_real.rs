//! Real programs: those that crash are reported on, and those that live with faults live on and are left alone.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "what cannot be set up has failed the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::clients::{ask, ask_for, get};
use harness::{
    Running, SIGABRT, SIGSEGV, Scratch, Subject, bare, free_port, grpc, preloaded, python_environment, root,
};
use harness::{children, server, wait_for_port};

const LIMIT: Duration = Duration::from_secs(90);

fn triton(run: impl FnOnce(PathBuf) -> Subject) -> (Running, u16) {
    let packages = bare(python_environment().join("bin/python"))
        .args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"])
        .run();
    let triton = PathBuf::from(packages.stdout().trim()).join("pytriton/tritonserver");
    let (http, grpc, metrics) = (free_port(), free_port(), free_port());
    let path = std::env::var("PATH").unwrap_or_default();
    let running = run(triton.join("bin/tritonserver"))
        .arg(format!("--model-repository={}", root().join("tests/servers/triton-models").display()))
        .arg(format!("--backend-directory={}", triton.join("backends").display()))
        .args(["--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1"])
        .args([format!("--http-port={http}"), format!("--grpc-port={grpc}"), format!("--metrics-port={metrics}")])
        .env("PATH", format!("{}:{path}", python_environment().join("bin").display()))
        // On a busy machine a report of so large a process takes its time.
        .env("NOSIGPIPE_CRASH_TIMEOUT", "60")
        .limit(LIMIT * 2)
        .start();
    // The last that it says before the main thread waits for its end.
    running.wait_for_line("Started Metrics Service", LIMIT);
    (running, http)
}

#[test]
fn triton_says_where_all_its_threads_were() {
    for (signal, of_a_worker) in [(SIGSEGV, false), (SIGABRT, false), (SIGSEGV, true)] {
        let (running, http) = triton(preloaded);
        let asking =
            std::thread::spawn(move || (0..1000).map_while(|_| ask(http, &get("/v2/health/ready")).ok()).count());
        let mut tids: Vec<i32> = fs::read_dir(format!("/proc/{}/task", running.pid()))
            .expect("it runs")
            .flatten()
            .filter_map(|task| task.file_name().to_str()?.parse().ok())
            .collect();
        tids.sort_unstable();
        let tid = if of_a_worker { tids.get(tids.len() / 2).copied().expect("it has threads") } else { running.pid() };
        // SAFETY: a signal to a thread of a process of ours.
        unsafe { libc::syscall(libc::SYS_tgkill, running.pid(), tid, signal) };
        let outcome = running.wait(LIMIT);
        outcome.assert_killed_by(signal);
        let _ = asking.join();
        let report = outcome.stderr();
        assert!(report.contains("nosigpipe: tritonserver (pid "), "{outcome}");
        assert!(report.contains(&format!("stack of thread {tid} \"tritonserver\", which crashed")), "{outcome}");
        assert!(report.contains(" main + "), "the main thread is there: {outcome}");
        assert!(report.contains("triton::") && report.contains("grpc_core::"), "the others are named: {outcome}");
        let others = ["stack of 31 threads:", "stack of 32 threads:"];
        assert!(others.iter().any(|line| report.contains(line)), "equal stacks are shown once: {outcome}");
        // Its own handler, which is boost's stack trace, has had its turn before.
        let own = report.find(" 0# ").expect("Triton's own trace");
        assert!(own < report.find("nosigpipe:").unwrap_or(0), "{outcome}");
    }
}

#[test]
fn tritons_python_stub_is_reported_on_as_well() {
    let (running, _) = triton(preloaded);
    let is_stub = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("triton_python_b"))
    };
    let stub = children(running.pid()).into_iter().find(is_stub).expect("the Python backend has a stub process");
    // SAFETY: a signal to a process of ours.
    unsafe { libc::kill(stub, SIGSEGV) };
    running.wait_for_line("nosigpipe: triton_python_backend_stub", LIMIT);
    assert!(running.is_alive());
}

#[test]
fn a_grpc_server_names_the_function_whose_exception_nobody_caught() {
    let running = preloaded(server("grpc_echo")).start();
    let line = running.wait_for_line("listening on ", LIMIT);
    let port = line.rsplit(' ').next().and_then(|port| port.trim().parse().ok()).expect("a port");
    wait_for_port(&running, port, LIMIT);
    let _ = ask_for(port, &grpc::call("/echo.Echo/Echo", &grpc::field(1, b"throw")), 30_000);
    let outcome = running.wait(LIMIT);
    outcome.assert_killed_by(SIGABRT);
    let report = outcome.stderr();
    let start: String = report.lines().skip_while(|line| !line.starts_with("nosigpipe:")).take(10).collect();
    assert!(start.contains("  in work at "), "{outcome}");
    assert!(report.contains("grpc::"), "{outcome}");
}

/// A call that faults, in a Python with two threads.
const FAULT: &str = "
import ctypes, sys, threading, time
if len(sys.argv) > 1:
    import faulthandler
    faulthandler.enable()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
ctypes.string_at(16)
";

#[test]
fn python_is_reported_on_with_and_without_its_own_faulthandler() {
    let python = |arguments: &[&str]| preloaded("/usr/bin/python3").args(["-c", FAULT]).args(arguments).run();
    let outcome = python(&[]);
    outcome.assert_killed_by(SIGSEGV);
    assert!(outcome.stderr().contains("reading 0x10") && outcome.stderr().contains("strlen"), "{outcome}");

    let outcome = python(&["faulthandler"]);
    outcome.assert_killed_by(SIGSEGV);
    let own = outcome.stderr().find("Fatal Python error: Segmentation fault").expect("faulthandler's own report");
    let ours = outcome.stderr().find("nosigpipe: python3").expect("our report");
    assert!(own < ours && outcome.stderr().contains("<signal handler called"), "{outcome}");
    assert!(outcome.stderr().contains("strlen"), "the fault behind the handler: {outcome}");
}

fn write(directory: &Scratch, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, text).expect("a scratch directory can be written to");
    path
}

fn build(program: &str, arguments: &[&str], directory: &Path) {
    bare(program).args(arguments).current_dir(directory).limit(LIMIT).run().assert_code(0);
}

#[test]
fn java_provokes_faults_by_the_thousand_and_nobody_hears_of_it() {
    let directory = Scratch::new();
    write(
        &directory,
        "Faults.java",
        "public class Faults {
            static int length(String text) { return text.length(); }
            static int deeper(int depth) { return deeper(depth + 1) + 1; }
            public static void main(String[] arguments) {
                int faults = 0;
                for (int i = 0; i < 20000; i++)
                    try { length(i % 2 == 0 ? null : \"\"); } catch (NullPointerException fault) { faults++; }
                try { deeper(0); } catch (StackOverflowError fault) { faults++; }
                System.out.println(faults);
            }
        }",
    );
    build("javac", &["Faults.java"], directory.path());
    let outcome = preloaded("java").args(["-Xmx64m", "Faults"]).current_dir(directory.path()).limit(LIMIT).run();
    outcome.assert_stdout("10001\n").assert_silent_success();
}

#[test]
fn go_recovers_from_its_faults_in_a_program_with_c_in_it() {
    let directory = Scratch::new();
    write(
        &directory,
        "faults.go",
        "package main
// static int twice(int n) { return 2 * n; }
import \"C\"
import \"fmt\"
type node struct { next *node; value int }
func faults(n *node) (failed bool) {
	defer func() { failed = recover() != nil }()
	return n.next.value == 1
}
func main() {
	count := 0
	for i := 0; i < 1000; i++ {
		if C.twice(C.int(i)) == C.int(2*i) && faults(&node{}) { count++ }
	}
	fmt.Println(count)
}
",
    );
    build("go", &["build", "-o", "faults", "faults.go"], directory.path());
    let outcome = preloaded(directory.path().join("faults")).limit(LIMIT).run();
    outcome.assert_stdout("1000\n").assert_silent_success();
}
