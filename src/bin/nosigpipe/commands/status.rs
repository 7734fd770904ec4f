//! `status`: what the library is doing in a running process.

use std::fmt::Write;
use std::thread::sleep;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value, json};

use crate::commands::stack::number;
use crate::commands::{handlers, metrics, tree};
use crate::exit::{Failure, NO_PROCESS, NOT_ACTING, NOT_LOADED, OK, UNKNOWN_VERSION};
use crate::output;
use crate::platform::process::{self, Process};
use crate::platform::{SIGPIPE_HANDLER_OWNER, UNCOUNTED_CALLS, UNCOUNTED_ONLY_WHILE_IGNORED, why_not_loaded};
use crate::snapshot::Snapshot;
use settings::layout::{Disposition, Stage};
use settings::options::{Log, SETTINGS, Scope};

pub fn command() -> Command {
    Command::new("status")
        .about("Show what the library is doing in a running process")
        .long_about(
            "Show whether the library is in force in process PID, in which scope, what the program believes about \
             SIGPIPE and what the kernel has, and the counters. They are read out of the process's memory, for which \
             one must be its user or root; on macOS root. Of each signal that the library has a hand in, it says whose \
             handler it is, and whether the kernel has what the library believes. With --prometheus or --textfile they are metrics, which \
             have nosigpipe_up 0 for a process of which nothing can be said.",
        )
        .arg(
            Arg::new("pid")
                .value_name("PID")
                .num_args(1..)
                .required_unless_present("all")
                .value_parser(number)
                .help("The number of a process, or of several"),
        )
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .conflicts_with("pid")
                .help("Every process that has the library and may be looked into; without one, the exit status is 2"),
        )
        .arg(
            Arg::new("tree")
                .long("tree")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["all", "prometheus", "textfile"])
                .help("Each PID and every process below it: which are covered, which not, and why"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON: an object for each process"))
        .args(metrics::flags())
        .arg(
            Arg::new("watch")
                .long("watch")
                .value_name("SECONDS")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("2")
                .value_parser(seconds)
                .help(
                    "Do it again and again, every two seconds, or --watch=SECONDS, until none of the processes has the library any more. \
                     With --prometheus or --textfile it goes on as long as one of the processes is there, and with --all until it is \
                     ended: what comes later is seen, too",
                ),
        )
}

/// Parses the interval of --watch, in seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it must be a number of seconds from 0.1 to 86400".into())
}

pub fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let given: Vec<u32> = matches.get_many("pid").unwrap_or_default().copied().collect();
    let interval: Option<Duration> = matches.get_one("watch").copied();
    let is_all = matches.get_flag("all");
    let (mut last, mut told) = (String::new(), Vec::new());
    loop {
        let pids = if is_all { all() } else { given.clone() };
        if let Some(target) = metrics::Target::asked_for(matches) {
            let (text, is_there) = metrics::of(&pids);
            target.write(&text)?;
            match interval {
                Some(interval) if is_there || is_all => sleep(interval),
                _ => return Ok(OK),
            }
            continue;
        }
        let is_json = matches.get_flag("json");
        let (text, mut code, mut failures, seen) = show(&pids, is_json, matches.get_flag("tree"), is_all);
        if is_all && text.is_empty() && failures.is_empty() {
            code = NOT_LOADED;
            failures.push(Failure::new(code, "no process that may be looked into has the library"));
        }
        let write = if is_json { output::write_json } else { output::write_lines };
        // On a terminal a new state takes the place of the last (cursor to the top, clear the screen); elsewhere only a
        // state that differs from the last is written, and each failure once.
        if interval.is_some() && output::is_terminal() {
            output::write("\x1b[H\x1b[J")?;
            write(&text)?;
            if output::complains_on_terminal() {
                told.clear();
            }
        } else if text != last {
            write(&text)?;
        }
        let goes_on = interval.filter(|_| seen > 0 || is_all);
        // Where one process was asked for, its failure is that of the command.
        if goes_on.is_none() && failures.len() == 1 && given.len() == 1 {
            return failures.into_iter().next().map_or(Ok(code), Err);
        }
        let now: Vec<String> = failures.into_iter().map(|failure| failure.message).collect();
        now.iter().filter(|message| !told.contains(*message)).for_each(|message| output::complain(message));
        let Some(interval) = goes_on else { return Ok(code) };
        (last, told) = (text, now);
        sleep(interval);
    }
}

/// Every process that has the library and may be looked into.
fn all() -> Vec<u32> {
    let has_it = |pid: &u32| process::inspect(*pid).is_ok_and(|process| process.library.is_some());
    process::all().into_iter().filter(has_it).collect()
}

/// The text about these processes, the highest exit code, the failures of those of which nothing can be said, and of how many something
/// may change: a process without the library has nothing to watch. Where they were found by --all, one that has ended since is no failure.
fn show(pids: &[u32], as_json: bool, is_tree: bool, is_all: bool) -> (String, u8, Vec<Failure>, usize) {
    let (mut texts, mut code, mut failures, mut seen) = (Vec::new(), OK, Vec::new(), 0);
    for &pid in pids {
        match if is_tree { tree::show(pid, as_json) } else { show_one(pid, as_json) } {
            Ok((text, its)) => {
                texts.push(text);
                code = code.max(its);
                seen += usize::from(is_tree || its != NOT_LOADED);
            }
            Err(failure) if is_all && failure.code == NO_PROCESS => {}
            Err(failure) => {
                code = code.max(failure.code);
                failures.push(failure);
            }
        }
    }
    (texts.join(if as_json { "" } else { "\n" }), code, failures, seen)
}

/// The text or JSON about one process, and the exit code.
fn show_one(pid: u32, is_json: bool) -> Result<(String, u8), Failure> {
    let process = handlers::inspect_until_stable(pid)?;
    let Some(library) = &process.library else {
        let reason = why_not_loaded(pid);
        if is_json {
            let answer = json!({ "pid": pid, "name": process.name, "library": null, "reason": reason });
            return Ok((format!("{answer:#}\n"), NOT_LOADED));
        }
        let because = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        return Err(Failure::new(
            NOT_LOADED,
            format!("the library is not loaded in process {pid} ({}){because}", output::name(&process.name)),
        ));
    };
    let snapshot = library
        .snapshot
        .as_ref()
        .map_err(|problem| Failure::new(UNKNOWN_VERSION, format!("{}: {problem}", output::name(&library.path))))?;
    let text = if is_json {
        format!("{:#}\n", as_json(pid, &process, &library.path, snapshot))
    } else {
        as_text(pid, &process, &library.path, snapshot)
    };
    Ok((text, if snapshot.stage == Some(Stage::Active) { OK } else { NOT_ACTING }))
}

/// The library's state; `None` where the library is not loaded, or its state can't be decoded.
pub fn snapshot_of(process: &Process) -> Option<&Snapshot> {
    process.library.as_ref()?.snapshot.as_ref().ok()
}

/// Why the library is loaded and not in force; `None` where it is in force.
pub fn why_not_in_force(snapshot: &Snapshot) -> Option<&'static str> {
    match snapshot.stage {
        Some(Stage::Active) => None,
        Some(Stage::Loaded) => Some("its constructor has not run"),
        Some(Stage::Inert) => Some("NOSIGPIPE_ONLY names other programs"),
        Some(Stage::NotInterposing) => Some("the program's calls bypass it"),
        None => Some("it is in an unknown stage"),
    }
}

/// What the kernel does with SIGPIPE, in one word.
pub fn kernel_word(process: &Process) -> &'static str {
    handlers::word(process.signals.disposition(libc::SIGPIPE))
}

/// Where the library stands, in one word for programs.
pub fn stage_word(snapshot: &Snapshot) -> &'static str {
    match snapshot.stage {
        Some(Stage::Loaded) => "loaded",
        Some(Stage::Active) => "active",
        Some(Stage::Inert) => "inert",
        Some(Stage::NotInterposing) => "not-interposing",
        None => "unknown",
    }
}

/// What the program would be told about SIGPIPE, where the library answers; `None` where the kernel does.
pub fn belief(snapshot: &Snapshot) -> Option<Disposition> {
    let answers = snapshot.stage == Some(Stage::Active) && snapshot.scope != Some(Scope::Off);
    snapshot.belief.filter(|_| answers)
}

fn as_json(pid: u32, process: &Process, library: &str, snapshot: &Snapshot) -> Value {
    let belief_word = match belief(snapshot) {
        Some(belief) => handlers::word(belief),
        None => kernel_word(process),
    };
    let handler = snapshot.belief_handler;
    let broken_pipes: Map<String, Value> = settings::layout::CALLS
        .iter()
        .zip(&snapshot.broken_pipes)
        .map(|(call, n)| ((*call).to_owned(), json!(n)))
        .collect();
    json!({
        "pid": pid,
        "name": process.name,
        "library": library,
        "stage": stage_word(snapshot),
        "scope": snapshot.scope.map(Scope::word),
        "program": {
            "sigpipe": belief_word,
            "handler": (handler != 0).then(|| format!("{handler:#x}")),
            "handler_in": (handler != 0).then(|| process.module_offset(handler)).flatten(),
        },
        "kernel": { "sigpipe": kernel_word(process), "blocked": process.signals.blocks(libc::SIGPIPE) },
        "reports": handlers::reports_json(process, snapshot),
        "log": snapshot.log.map(Log::word),
        "signals": handlers::of(process, snapshot).iter().map(|one| one.json(process)).collect::<Vec<_>>(),
        "counters": {
            "of_pid": snapshot.pid,
            "sockets": snapshot.sockets,
            "accepted": snapshot.accepted,
            "broken_pipes": broken_pipes,
            "not_counted": not_counted(process),
            "crash_reports": snapshot.crash_reports,
        },
    })
}

fn as_text(pid: u32, process: &Process, library: &str, snapshot: &Snapshot) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.push(("process", format!("{pid} ({})", output::name(&process.name))));
    let stage = match (why_not_in_force(snapshot), snapshot.stage) {
        (None, _) => "in force".to_owned(),
        (Some(why), Some(Stage::Inert)) => format!("inert: {why}"),
        (Some(why), Some(_)) => format!("loaded, but {why}"),
        (Some(_), None) => "in an unknown stage".to_owned(),
    };
    lines.push(("library", format!("{}, {stage}", output::name(library))));
    lines.push(("scope", scope_text(snapshot)));
    lines.push(("program", program_text(process, snapshot)));
    lines.push(("kernel", kernel_text(process, snapshot)));
    if snapshot.pid != process.inner_pid {
        lines.push(("counters", format!("of process {}, whose memory this one uses or has copied", snapshot.pid)));
    }
    lines.push(("sockets", format!("{} made, {} accepted", snapshot.sockets, snapshot.accepted)));
    lines.push(("survived", survived(snapshot)));
    let calls = not_counted(process).join(", ");
    if UNCOUNTED_ONLY_WHILE_IGNORED && !calls.is_empty() {
        lines.push(("", format!("not counted while the kernel ignores SIGPIPE: {calls}")));
        lines.push(("", format!("({}=summary has a handler count them)", log_variable())));
    } else if !calls.is_empty() {
        lines.push(("", format!("not counted: {calls}")));
    }
    lines.push(("crashes", format!("{} reported", snapshot.crash_reports)));
    lines.push(("reports", handlers::reports_text(process, snapshot)));
    lines.push(("log", snapshot.log.map_or("unknown", Log::word).to_owned()));
    let signals = handlers::text(process, snapshot);
    lines.extend(signals.into_iter().enumerate().map(|(n, line)| (if n == 0 { "signals" } else { "" }, line)));
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<9} {value}");
    }
    text
}

/// Calls whose broken pipes are not counted in this process.
pub fn not_counted(process: &Process) -> &'static [&'static str] {
    if process.signals.ignores(libc::SIGPIPE) || !UNCOUNTED_ONLY_WHILE_IGNORED { UNCOUNTED_CALLS } else { &[] }
}

/// The name of the variable of the setting `log`.
fn log_variable() -> &'static str {
    SETTINGS.iter().find(|setting| setting.flag == "log").map_or("", |setting| setting.variable)
}

fn scope_text(snapshot: &Snapshot) -> String {
    match snapshot.scope {
        Some(scope) => {
            scope.word().to_owned()
                + match scope {
                    Scope::Process | Scope::Tree => ": the process ignores SIGPIPE unless the program sets it",
                    Scope::Sockets => ": no socket raises SIGPIPE, everything else is as without the library",
                    Scope::Off => ": SIGPIPE is left alone",
                }
        }
        None => "unknown".into(),
    }
}

fn program_text(process: &Process, snapshot: &Snapshot) -> String {
    match belief(snapshot) {
        Some(Disposition::Default) => "believes that SIGPIPE has its default action".into(),
        Some(Disposition::Ignore) => "believes that SIGPIPE is ignored".into(),
        Some(Disposition::Handler) => {
            let handler = snapshot.belief_handler;
            let module_offset =
                process.module_offset(handler).map(|name| format!(" in {}", output::name(&name))).unwrap_or_default();
            format!("believes that its own handler has SIGPIPE: {handler:#x}{module_offset}")
        }
        None => "believes what the kernel has".into(),
    }
}

fn kernel_text(process: &Process, snapshot: &Snapshot) -> String {
    let action = match (kernel_word(process), belief(snapshot)) {
        ("ignore", _) => "ignores SIGPIPE".to_owned(),
        ("handler", Some(_)) => format!("has a handler for SIGPIPE: {SIGPIPE_HANDLER_OWNER}"),
        ("handler", None) => "has the program's handler for SIGPIPE".to_owned(),
        _ => "has the default action for SIGPIPE, which ends the process".to_owned(),
    };
    action + if process.signals.blocks(libc::SIGPIPE) == Some(true) { "; blocked in the main thread" } else { "" }
}

/// The broken pipes that were counted.
pub fn survived(snapshot: &Snapshot) -> String {
    let calls: Vec<_> = snapshot.by_call().map(|(call, count)| format!("{call} {count}")).collect();
    let of = if calls.is_empty() { String::new() } else { format!(": {}", calls.join(", ")) };
    format!("{} broken pipes{of}", snapshot.broken_pipes())
}
