//! Runs the cases and adds up what was found.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use harness::{Outcome, Scratch, Subject, bare, library, preloaded};

use crate::cases::{CASES, Case, End, Wanted};
use crate::core_file;
use crate::judge::{Question, Verdict, judge_json, judge_stacks, judge_text};
use crate::programs::{BUILDS, build};
use crate::report::{self, Report};
use crate::schema;

/// Past this a program hangs; `--slow` is for machines that are emulated.
fn patience() -> Duration {
    if std::env::args().any(|argument| argument == "--slow") {
        return Duration::from_secs(90);
    }
    Duration::from_secs(15).mul_f64(haste())
}

/// How many programs want each processor: on a machine that is busy with other things all takes that much longer. At most 8.
fn haste() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (load / processors as f64).clamp(1.0, 8.0)
}
/// As many programs at once as a small machine has processors: they are to be judged, not to be raced.
const WORKERS: usize = 2;

pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A file's name has a slash in it, as no case has.
    let (flags, words): (Vec<_>, Vec<_>) =
        arguments.iter().filter(|argument| !argument.contains('/')).partition(|argument| argument.starts_with('-'));
    let has = |flag: &str| flags.iter().any(|given| *given == flag);
    let selected = |case: &Case| words.is_empty() || words.iter().any(|word| case.name().contains(word.as_str()));
    let jobs: Vec<_> = BUILDS
        .iter()
        .flat_map(|build| CASES.iter().map(move |case| (case, build)))
        .filter(|(case, _)| {
            selected(case)
                && (case.not_on_arm64.is_none() || !cfg!(target_arch = "aarch64"))
                && !((has("--gdb") || has("--comparable")) && (case.without_gdb || case.wanted != Wanted::Full))
        })
        .collect();
    // `--judge FILE` and `--reports FILE`
    let file = |flag: &str| arguments.iter().skip_while(|given| *given != flag).nth(1).map(PathBuf::from);
    if let Some(file) = file("--judge") {
        let text = fs::read_to_string(&file).expect("the file can be read");
        let reports: Vec<(String, Value)> = serde_json::from_str(&text).expect("--reports has written it");
        return against_schema(&reports);
    }
    if has("--build") {
        for (case, (_, flags)) in jobs {
            _ = build(case.program, flags);
            _ = case.way.strip_prefix('@').map(|library| build(library, flags));
        }
        return ExitCode::SUCCESS;
    }
    if has("--list") {
        jobs.iter().for_each(|(case, (build, _))| println!("{} {build}: test", case.name()));
        return ExitCode::SUCCESS;
    }

    for (case, reason) in CASES.iter().filter_map(|case| Some((case, case.not_on_arm64?))) {
        if cfg!(target_arch = "aarch64") {
            println!("{} ... left out: {reason}", case.name());
        }
    }
    // Before anybody waits for it.
    println!("library {}", library().display());
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    // Every report in JSON, with its case's name.
    let reports = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((case, (name, flags))) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let verdict = if has("--gdb") {
                        ask_gdb(case, flags)
                    } else {
                        let mut found = Vec::new();
                        let verdict = run(case, flags, &mut found);
                        let named = found.into_iter().map(|report| (format!("{} {name}", case.name()), report));
                        reports.lock().expect("no worker panics with it").extend(named);
                        verdict
                    };
                    let mut verdicts = verdicts.lock().expect("no worker panics with it");
                    show(&format!("{} {name}", case.name()), &verdict, start.elapsed(), has("--verbose"));
                    verdicts.push(verdict);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().expect("no worker has panicked");
    let reports = reports.into_inner().expect("no worker has panicked");
    let wrong = verdicts.iter().filter(|verdict| verdict.0.values().any(Result::is_err)).count();
    summary(&verdicts);
    let judged = if let Some(file) = file("--reports") {
        fs::write(file, serde_json::to_string(&reports).expect("JSON can be written"))
            .expect("the file can be written");
        ExitCode::SUCCESS
    } else {
        against_schema(&reports)
    };
    println!("{} programs, {wrong} with something wrong, {:.1} s", verdicts.len(), start.elapsed().as_secs_f32());
    if wrong == 0 || has("--gdb") { judged } else { ExitCode::FAILURE }
}

/// Prints how many of the reports are as the schema says, and what is wrong with the others.
fn against_schema(reports: &[(String, Value)]) -> ExitCode {
    let problems = schema::problems(reports);
    problems.iter().for_each(|problem| println!("    Schema: {problem}"));
    println!("{:<10} {:>4} of {:>4}", "Schema", reports.len().saturating_sub(problems.len()), reports.len());
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(name: &str, verdict: &Verdict, took: Duration, verbose: bool) {
    let wrong: Vec<_> =
        verdict.0.iter().filter_map(|(question, answer)| Some((question, answer.as_ref().err()?))).collect();
    println!("{name} ... {} ({:.1} s)", if wrong.is_empty() { "ok" } else { "WRONG" }, took.as_secs_f32());
    for (question, why) in wrong {
        let shown = if verbose { why.clone() } else { why.lines().take(40).collect::<Vec<_>>().join("\n") };
        println!("    {question:?}: {shown}");
    }
}

fn summary(verdicts: &[Verdict]) {
    let mut sums: BTreeMap<Question, (usize, usize)> = BTreeMap::new();
    for (question, answer) in verdicts.iter().flat_map(|verdict| &verdict.0) {
        let (right, asked) = sums.entry(*question).or_default();
        *right += usize::from(answer.is_ok());
        *asked += 1;
    }
    println!();
    for (question, (right, asked)) in sums {
        println!("{:<10} {right:>4} of {asked:>4}", format!("{question:?}"));
    }
}

/// The case's program with its arguments, ready to run in a directory of its own.
fn subject(case: &Case, flags: &[&str], scratch: &Scratch, of: impl Fn(&Path) -> Subject) -> Subject {
    let mut program = build(case.program, flags);
    if matches!(case.way, "deleted" | "replaced") {
        program = scratch.copy(&program, program.file_name().expect("a program has a name"));
    }
    let way = match case.way.strip_prefix('@') {
        Some(library) => build(library, flags),
        None => PathBuf::from(case.way),
    };
    let limit = if case.core { libc::RLIM_INFINITY } else { 0 };
    let subject = of(&program).current_dir(scratch.path()).command(|command| limit_core(command, limit));
    // What Rust's runtime says of itself would only be in the way.
    let subject = subject.command(|command| _ = command.env_remove("RUST_BACKTRACE"));
    if case.way.is_empty() { subject } else { subject.arg(way) }
}

/// Sets RLIMIT_CORE, as high as we are allowed to; where that is 0 the core file is missed and the judge says so.
fn limit_core(command: &mut Command, limit: u64) {
    let set = move || {
        let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both calls read or write this one local, and are system calls without locks: fit for a forked child.
        let done = unsafe {
            libc::getrlimit(libc::RLIMIT_CORE, &raw mut now);
            now.rlim_cur = limit.min(now.rlim_max);
            libc::setrlimit(libc::RLIMIT_CORE, &raw const now)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: see above; nothing else happens in the child.
    unsafe { command.pre_exec(set) };
}

/// How it ended; none if it didn't.
fn end(case: &Case, outcome: Option<&Outcome>) -> (End, bool) {
    let Some(outcome) = outcome else { return (End::Never, false) };
    let status = outcome.status;
    let end = status.signal().map_or_else(|| End::Exited(status.code().unwrap_or(-1)), End::Killed);
    (end, case.core && status.core_dumped())
}

/// Runs a case bare and with the library; `found` gets the reports in JSON.
fn run(case: &Case, flags: &[&str], found: &mut Vec<Value>) -> Verdict {
    let mut verdict = Verdict::default();
    let scratch = Scratch::new();
    let limit = if case.bare == End::Never { Duration::from_secs(1) } else { patience() };
    let (bare_end, bare_core) = end(case, subject(case, flags, &scratch, |p| bare(p)).start().ended(limit).as_ref());
    verdict.say(Question::End, bare_end == case.bare, || format!("bare: {bare_end:?} instead of {:?}", case.bare));

    for format in ["json", "text"] {
        let scratch = Scratch::new();
        let start = Instant::now();
        let subject = subject(case, flags, &scratch, |p| preloaded(p)).env("NOSIGPIPE_FORMAT", format);
        // A report has less time than the program, as it has by default.
        let subject = subject.env("NOSIGPIPE_CRASH_TIMEOUT", (patience() * 2 / 3).as_secs().to_string());
        let running = subject.start();
        let outcome = running.ended(patience());
        let took = start.elapsed();
        let (end, core) = end(case, outcome.as_ref());
        verdict.say(Question::End, (end, core) == (case.end, bare_core), || {
            format!(
                "{format}: {end:?} instead of {:?}, core {core}, bare {bare_core}, after {took:?}\n{}",
                case.end,
                running.stderr()
            )
        });
        let Some(outcome) = outcome else { continue };
        if case.core {
            core_file::judge(case, &scratch, &outcome, &mut verdict);
        }
        if format == "json" {
            judge_json(case, &outcome, &mut verdict);
            found.extend(report::all_values(&outcome.stderr()));
        } else {
            judge_text(case, &outcome, &mut verdict);
        }
    }
    verdict
}

/// What gdb says about the same program.
fn ask_gdb(case: &Case, flags: &[&str]) -> Verdict {
    let mut verdict = Verdict::default();
    let scratch = Scratch::new();
    let commands: &[&str] = &[
        "set debuginfod enabled off",
        "set pagination off",
        "set print frame-arguments none",
        "handle SIGUSR1 SIGALRM nostop noprint pass",
        "run",
        "bt 40",
        "bt -10",
        "thread apply all bt 40",
    ];
    let with_gdb = |program: &Path| {
        let commands = commands.iter().flat_map(|command| ["-ex", command]);
        bare("gdb").args(["-batch", "-nx"]).args(commands).arg("--args").arg(program)
    };
    let subject = subject(case, flags, &scratch, with_gdb).limit(patience() * 4);
    let Some(outcome) = subject.start().ended(patience() * 4) else {
        verdict.say(Question::Chain, false, || "gdb hangs".into());
        return verdict;
    };
    let report = Report::of_gdb(&outcome.stdout());
    judge_stacks(case, &report, &mut verdict);
    verdict
}
