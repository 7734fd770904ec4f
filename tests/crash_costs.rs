//! What crash reports cost while nothing crashes, and how little the handler takes when something does.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "what cannot be set up has failed the test")]

use std::fs;

use harness::{SIGSEGV, Scratch, Subject, bare, preloaded, program};

/// How many bytes of the alternate stack were used by a crash.
fn used_of_stack(subject: Subject, ends: impl FnOnce(&harness::Outcome)) -> usize {
    let scratch = Scratch::new();
    let file = scratch.path().join("stack");
    ends(&subject.arg(&file).run());
    let stack = fs::read(file).expect("the program wrote its stack to the file");
    stack.len() - stack.iter().take_while(|&&byte| byte == 0xa5).count()
}

#[test]
fn the_crash_handler_fits_onto_the_alternate_stack_that_programs_make() {
    // SIGSTKSZ, which programs take for their own, is 8192 bytes; the kernel's signal frame is part of it.
    for format in ["text", "json"] {
        let crash = preloaded(program("crash_stack_use")).env("NOSIGPIPE_FORMAT", format);
        let used = used_of_stack(crash, |outcome| {
            outcome.assert_killed_by(SIGSEGV);
            assert!(outcome.stderr().contains("SIGSEGV"), "{outcome}");
        });
        assert!(used > 1000 && used <= 8192, "{format}: {used} bytes");
    }
}

fn number(subject: Subject) -> f64 {
    subject.run().assert_code(0).stdout().trim().parse().expect("a number")
}

#[test]
fn threads_leave_no_stacks_behind() {
    // Sixteen are kept for the next threads, each two mappings, the guard and the stack. libc keeps some of its own, too.
    for how in [["once", "3000"], ["many", "60"]] {
        let [bare, with] = [bare, preloaded].map(|run| number(run(program("crash_threads")).args(how)));
        assert!(with - bare <= 2.0 * 16.0 + 4.0, "{how:?}: {with} mappings more than before, {bare} without us");
    }
}

#[test]
fn a_thread_costs_four_system_calls_more_than_without_us() {
    // Asked for a stack: whether the thread that had it has ended (getpid, tgkill). Taking it: sigaltstack. Keeping it: gettid.
    const THREADS: usize = 200;
    let calls = |preload: &str| {
        let scratch = Scratch::new();
        let log = scratch.path().join("calls");
        // How often libc waits for a thread's end depends on which of the two is faster.
        let strace = bare("strace").args(["-f", "-qq", "-e", "trace=!futex", "-o"]).arg(&log);
        let strace = strace.arg("-E").arg(format!("LD_PRELOAD={preload}"));
        // Each of them twice: one that returns, one that calls pthread_exit.
        strace.arg(program("crash_threads")).args(["once", &(THREADS / 2).to_string()]).run().assert_code(0);
        let log = fs::read_to_string(log).expect("strace writes its log");
        log.lines().filter(|line| !line.contains(" resumed>")).count()
    };
    let (bare, with) = (calls(""), calls(&harness::library().display().to_string()));
    let each = (with - bare) as f64 / THREADS as f64;
    // Load and start-up are a few dozen calls in all.
    assert!(each < 4.5, "{each} more for each thread: {with} with the library, {bare} without");
}
