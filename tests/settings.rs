//! Settings by environment.

use std::os::unix::process::CommandExt;

use harness::{SIGPIPE, bare, library, preloaded, program};

const SURVIVED: &str = "-1 EPIPE handler ran 0\n-1 EPIPE handler ran 0\n";

#[test]
fn a_wrong_value_is_one_line_and_the_default_holds() {
    let wrong = [
        ("NOSIGPIPE_SCOPE", "everywhere", "process, sockets, tree or off"),
        ("NOSIGPIPE_CRASH", "Last", "last, first or off"),
        ("NOSIGPIPE_CRASH_SIGNALS", "segv,,bus", "segv, bus, ill, fpe, abrt, trap and sys"),
        ("NOSIGPIPE_CRASH_SIGNALS", "sigsegv", "segv, bus, ill, fpe, abrt, trap and sys"),
        ("NOSIGPIPE_CRASH_TIMEOUT", "0", "from 1 to 3600"),
        ("NOSIGPIPE_CRASH_TIMEOUT", "99999999999999999999999", "from 1 to 3600"),
        ("NOSIGPIPE_THREADS", "none", "all or crashed"),
        ("NOSIGPIPE_VALUES", "yes", "off or on"),
        ("NOSIGPIPE_REPORT", "relative/directory", "stderr, syslog, journal or an absolute directory"),
        ("NOSIGPIPE_REPORT", "syslog,", "stderr, syslog, journal or an absolute directory"),
        ("NOSIGPIPE_REPORT", "stderr,mail", "stderr, syslog, journal or an absolute directory"),
        ("NOSIGPIPE_REPORT_KEEP", "0", "all or a number"),
        ("NOSIGPIPE_TERMINATION_LOG", "log", "absolute path"),
        ("NOSIGPIPE_FORMAT", "xml", "text or json"),
        ("NOSIGPIPE_CORE", "-1", "keep, unlimited or a number of bytes"),
        ("NOSIGPIPE_ONLY", "/usr/bin/x", "program names"),
        ("NOSIGPIPE_LOG", "yes", "off, broken-pipes or summary"),
        ("NOSIGPIPE_SCOPE", "off\nfake line", "process, sockets, tree or off"),
    ];
    for (variable, value, allowed) in wrong {
        let outcome = preloaded(program("break")).env(variable, value).args(["write", "pipe"]).run();
        outcome.assert_code(0).assert_stdout(SURVIVED);
        let stderr = outcome.stderr();
        assert_eq!(stderr.lines().count(), 1, "{outcome}");
        let shown = value.replace('\n', "?");
        assert!(stderr.starts_with(&format!("nosigpipe: {variable}={shown} is not allowed: ")), "{outcome}");
        assert!(stderr.contains(allowed), "{outcome}");
    }
}

#[test]
fn an_unknown_variable_is_one_line() {
    let outcome = preloaded("true").env("NOSIGPIPE_SCOPES", "off").run();
    let stderr = outcome.stderr();
    assert!(
        stderr.starts_with("nosigpipe: NOSIGPIPE_SCOPES is not a setting: ") && stderr.lines().count() == 1,
        "{outcome}"
    );
}

#[test]
fn an_empty_value_is_no_value() {
    let outcome = preloaded(program("break")).scope("").log("").args(["write", "pipe"]).run();
    outcome.assert_silent_success().assert_stdout(SURVIVED);
}

#[test]
fn only_the_started_process_complains() {
    let outcome = preloaded("sh").scope("wrong").args(["-c", "true; /bin/true; /bin/true"]).run();
    assert_eq!(outcome.stderr().lines().count(), 1, "{outcome}");
}

#[test]
fn only_named_programs_are_acted_in() {
    let run = |only: &str| preloaded(program("break")).env("NOSIGPIPE_ONLY", only).args(["write", "tcp"]).run();
    run("break").assert_silent_success().assert_stdout(SURVIVED);
    run("other,break").assert_silent_success().assert_stdout(SURVIVED);
    run("other,breakage,brea").assert_killed_by(SIGPIPE).assert_silent();
}

#[test]
fn a_named_program_is_the_started_one_even_when_another_starts_it() {
    let script = format!("{} write pipe; echo $?; /bin/true", program("break").display());
    let outcome = preloaded("sh").env("NOSIGPIPE_ONLY", "break").args(["-c", &script]).run();
    outcome.assert_silent_success().assert_stdout(&format!("{SURVIVED}0\n"));
}

#[test]
fn a_set_user_id_program_does_not_trust_the_environment() {
    // Preloading into a set-user-ID program takes a library in a system directory with that bit itself. AT_SECURE is
    // what counts, and linking brings it about with less: the program finds the library by its run path.
    let directory = harness::target().join("setuid");
    std::fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{error}"));
    let public = std::path::PathBuf::from(format!("/tmp/nosigpipe-setuid-{}", std::process::id()));
    std::fs::create_dir_all(&public).unwrap_or_else(|error| panic!("{error}"));
    let source = harness::root().join("tests/programs/break.c");
    let built = bare("gcc")
        .args(["-D_GNU_SOURCE", "-pthread", "-Wl,--no-as-needed", "-o"])
        .arg(public.join("break"))
        .arg(source)
        .arg(format!("-Wl,-rpath,{}", public.display()))
        .arg(library())
        .run();
    built.assert_code(0);
    std::fs::copy(library(), public.join("libnosigpipe.so")).unwrap_or_else(|error| panic!("{error}"));
    let chmod = |mode: &str, file: &str| {
        bare("chmod").arg(mode).arg(public.join(file)).run().assert_code(0);
    };
    chmod("755", "");
    chmod("755", "libnosigpipe.so");
    chmod("4755", "break");
    let as_nobody = |scope: &str| {
        bare(public.join("break"))
            .scope(scope)
            .args(["write", "pipe"])
            .command(|command| {
                command.uid(65534).gid(65534);
            })
            .run()
    };
    // `off` is not heard: the default scope holds. A wrong value is not even complained about.
    as_nobody("off").assert_silent_success().assert_stdout(SURVIVED);
    as_nobody("wrong").assert_silent_success().assert_stdout(SURVIVED);
    chmod("755", "break");
    as_nobody("off").assert_killed_by(SIGPIPE);
    let _ = std::fs::remove_dir_all(public);
}
