//! Looks at a report and says what is wrong with it.

use std::collections::BTreeMap;

use harness::Outcome;
use libc::SI_KERNEL;

use crate::cases::{Case, Sender, Wanted};
use crate::programs::{Mark, marks};
use crate::report::{Frame, Report, Thread};

/// What is counted in the summary, in its order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Question {
    /// The end is the one that it should be.
    End,
    /// There's a report where there should be one, and none where there should be none.
    Report,
    /// Signal, address, sender.
    Cause,
    /// Process id, thread id and name.
    Who,
    /// The chain of functions.
    Chain,
    /// The line that died, and each line on the way there.
    Lines,
    /// The stacks of the other threads.
    Others,
    /// A core file, with the true cause in it.
    Core,
    /// The text form shows function, file and line near its beginning.
    Readable,
}

/// The answers to the questions that were asked: nothing wrong, or what is.
#[derive(Default, Debug)]
pub struct Verdict(pub BTreeMap<Question, Result<(), String>>);

impl Verdict {
    pub fn say(&mut self, question: Question, holds: bool, wrong: impl FnOnce() -> String) {
        let answer = if holds { Ok(()) } else { Err(wrong()) };
        // Once wrong, always wrong.
        if self.0.get(&question).is_none_or(Result::is_ok) {
            self.0.insert(question, answer);
        }
    }
}

/// A line in which a program announced who will crash and where.
pub struct Announced {
    pub pid: i64,
    pub tid: i64,
    pub address: u64,
    pub name: String,
}

pub fn announced(stdout: &str) -> Vec<Announced> {
    let one = |line: &str| {
        let field = |name: &str| line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        Some(Announced {
            pid: field("pid")?.parse().ok()?,
            tid: field("tid")?.parse().ok()?,
            address: u64::from_str_radix(field("address")?.strip_prefix("0x").unwrap_or("0"), 16).ok()?,
            name: line.split_once("name=")?.1.to_owned(),
        })
    };
    stdout.lines().filter(|line| line.starts_with("crash ")).filter_map(one).collect()
}

/// A run with NOSIGPIPE_FORMAT=json.
pub fn judge_json(case: &Case, outcome: &Outcome, verdict: &mut Verdict) {
    let stderr = outcome.stderr();
    let reports = Report::all_of_json(&stderr);
    let enough = match case.wanted {
        Wanted::Full => reports.len() == case.reports,
        Wanted::Silence => stderr.is_empty(),
        Wanted::Raw | Wanted::Unseen => true,
    };
    verdict.say(Question::Report, enough, || format!("{} reports\n{stderr}", reports.len()));
    if matches!(case.wanted, Wanted::Silence | Wanted::Unseen) {
        return;
    }
    let crashes = announced(&outcome.stdout());
    // No report answers every question wrong.
    let nothing = [Report::default()];
    let judged = if reports.is_empty() && case.wanted == Wanted::Full { &nothing[..] } else { &reports };
    for report in judged {
        judge_cause(case, report, &crashes, outcome, verdict);
        judge_who(report, &crashes, verdict);
        if case.wanted == Wanted::Raw {
            let frames = report.threads.first().map_or(&[][..], |thread| &thread.frames);
            verdict.say(Question::Report, frames.iter().any(|frame| frame.has_offset), || {
                "no frame says where it is".into()
            });
        } else {
            judge_stacks(case, report, verdict);
            judge_modules(case, report, verdict);
        }
    }
}

fn judge_cause(case: &Case, report: &Report, crashes: &[Announced], outcome: &Outcome, verdict: &mut Verdict) {
    let signal = i64::from(case.signal);
    verdict.say(Question::Cause, report.signal == Some(signal), || format!("signal {:?}, not {signal}", report.signal));
    match case.sender {
        None if !crashes.is_empty() && case.signal != harness::SIGABRT => {
            let right = |crash: &Announced| match report.address {
                // Recursion ends where nobody can foresee, but not at address 0.
                address if case.recursive => address > Some(4096),
                // The kernel gives 0 as the address where it knows none.
                None => crash.address == 0 && report.code == Some(i64::from(SI_KERNEL)),
                // What the report has then is what the instruction says.
                Some(_) if report.code == Some(i64::from(SI_KERNEL)) => crash.address == 0,
                Some(address) => address == crash.address,
            };
            verdict.say(Question::Cause, crashes.iter().any(right), || {
                format!(
                    "address {:x?}, announced {:x?}",
                    report.address,
                    crashes.iter().map(|crash| crash.address).collect::<Vec<_>>()
                )
            });
        }
        None => {}
        Some(sender) => {
            let pid = match sender {
                Sender::Itself => crashes.first().map(|crash| crash.pid),
                Sender::Another => {
                    outcome.stdout().split_once("sender pid=").and_then(|(_, rest)| rest.lines().next()?.parse().ok())
                }
            };
            verdict.say(Question::Cause, report.sender == pid, || format!("sender {:?}, not {pid:?}", report.sender));
        }
    }
}

fn judge_who(report: &Report, crashes: &[Announced], verdict: &mut Verdict) {
    if crashes.is_empty() {
        return;
    }
    let nobody = Thread::default();
    let thread = report.threads.first().unwrap_or(&nobody);
    let right = crashes.iter().any(|crash| {
        report.pid == Some(crash.pid)
            && thread.tids.first() == Some(&crash.tid)
            && thread.names.first() == Some(&crash.name)
    });
    verdict.say(Question::Who, right, || {
        format!("pid {:?}, tids {:?}, names {:?}", report.pid, thread.tids, thread.names)
    });
}

/// Chain, lines and other threads; also for gdb.
pub fn judge_stacks(case: &Case, report: &Report, verdict: &mut Verdict) {
    let nobody = Thread::default();
    let crashed = report.threads.first().unwrap_or(&nobody);
    judge_chain(case, crashed, verdict);
    if !case.others.is_empty() {
        let found = |(name, chain): &(&str, &str)| {
            report.threads.iter().skip(1).any(|thread| {
                let named = name.is_empty() || thread.names.iter().any(|its| its == name);
                // Main may not have come further than pthread_create.
                let there = chain_of(&own(thread), false);
                named && there.strip_prefix("start ").unwrap_or(&there) == *chain && on_marked_lines(&own(thread))
            })
        };
        let missing: Vec<_> = case.others.iter().filter(|other| !found(other)).collect();
        verdict.say(Question::Others, missing.is_empty(), || {
            let there = report.threads.iter().skip(1).map(|thread| {
                let lines: Vec<_> = own(thread).iter().map(|frame| format!("{}:{}", frame.file, frame.line)).collect();
                format!("\n    {:?}: {} ({})", thread.names, chain_of(&own(thread), false), lines.join(" "))
            });
            format!("not there {missing:?}, but {}", there.collect::<String>())
        });
    }
}

/// Every frame names its module, with offset and build id, so that it can be resolved later.
fn judge_modules(case: &Case, report: &Report, verdict: &mut Verdict) {
    let frames = report.threads.first().map_or(&[][..], |thread| &thread.frames);
    let ours = frames.iter().filter(|frame| !frame.module.is_empty() && !frame.module.starts_with('['));
    let incomplete: Vec<_> = ours.clone().filter(|frame| !frame.has_offset || !frame.has_build_id).collect();
    verdict.say(Question::Report, ours.count() > 0 || case.chain.is_empty(), || "no frame names its module".into());
    verdict.say(Question::Report, incomplete.is_empty(), || format!("without offset or build id: {incomplete:?}"));
}

fn judge_chain(case: &Case, thread: &Thread, verdict: &mut Verdict) {
    if case.chain.is_empty() {
        return;
    }
    let own = own(thread);
    let (chain, wanted) = (chain_of(&own, case.recursive), case.chain);
    // Where the stack is spoilt, what comes after the frames that can be known is anybody's guess.
    let guess = matches!(case.program, "smashed_frame" | "smashed_stack") || case.way == "frameless";
    let right = if guess { chain.split(' ').next() == Some(wanted) } else { chain == wanted };
    let named = case.named.is_none_or(|name| thread.frames.iter().any(|frame| frame.function == name));
    verdict.say(Question::Chain, right && named, || {
        let all: Vec<_> = thread.frames.iter().map(|frame| frame.function.as_str()).collect();
        format!("{chain:?} instead of {wanted:?} {:?}: {all:?}", case.named)
    });

    let frames = if guess { own.get(..1).unwrap_or_default() } else { &own };
    let first_is_right = frames.first().is_some_and(|frame| case.named.is_some() || crash_line(case, frame));
    let lines = || frames.iter().map(|frame| format!("{}:{}", frame.file, frame.line)).collect::<Vec<_>>();
    let rest = if case.recursive { frames } else { frames.get(1..).unwrap_or_default() };
    let rest: Vec<&Frame> = rest.iter().copied().filter(|frame| !(case.recursive && crash_line(case, frame))).collect();
    verdict.say(Question::Lines, first_is_right && on_marked_lines(&rest), || lines().join(" "));
}

/// The frames of the zoo's own functions.
fn own(thread: &Thread) -> Vec<&Frame> {
    thread.frames.iter().filter(|frame| marks().contains_key(&frame.file)).collect()
}

fn chain_of(frames: &[&Frame], recursive: bool) -> String {
    let mut names: Vec<_> = frames.iter().map(|frame| frame.function.as_str()).collect();
    if recursive {
        names.dedup();
    }
    names.join(" ")
}

fn crash_line(case: &Case, frame: &Frame) -> bool {
    let marks = marks().get(&frame.file).map_or(&[][..], Vec::as_slice);
    let crash = |mark: &Mark| match mark {
        Mark::Crash(way) => Some(way.clone()),
        Mark::Call => None,
    };
    let crashes = || marks.iter().filter_map(|(line, mark)| Some((*line, crash(mark)?)));
    let for_this_way = |way: &String| !way.is_empty() && case.way.starts_with(way.as_str());
    let special = crashes().any(|(_, way)| for_this_way(&way));
    crashes().any(|(line, way)| line == frame.line && if special { for_this_way(&way) } else { way.is_empty() })
}

fn on_marked_lines(frames: &[&Frame]) -> bool {
    frames.iter().all(|frame| marks().get(&frame.file).is_some_and(|marks| marks.contains(&(frame.line, Mark::Call))))
}

/// A run with NOSIGPIPE_FORMAT=text: somebody who has never seen such a report finds the failing function, its file
/// and line in the first ten lines.
pub fn judge_text(case: &Case, outcome: &Outcome, verdict: &mut Verdict) {
    let stderr = outcome.stderr();
    match case.wanted {
        Wanted::Unseen => return,
        Wanted::Silence => return verdict.say(Question::Report, stderr.is_empty(), || stderr.clone()),
        Wanted::Raw | Wanted::Full => {}
    }
    let signal = signal_name(case.signal);
    let Some(start) = stderr.lines().position(|line| line.contains(signal)) else {
        return verdict.say(Question::Report, false, || format!("no line names {signal}\n{stderr}"));
    };
    if case.wanted == Wanted::Raw {
        let place = |line: &str| line.contains("starved.c:") || line.contains("starved-") && line.contains("+0x");
        let offset = stderr.lines().skip(start + 1).any(place);
        return verdict.say(Question::Readable, offset, || format!("no frame says where it is\n{stderr}"));
    }
    let first: Vec<_> = stderr.lines().skip(start).take(10).collect();
    let function = case.named.or(case.chain.split(' ').next()).unwrap_or_default();
    let place = |line: &&str| {
        marks().iter().any(|(file, marks)| {
            marks.iter().any(|(number, mark)| {
                let right = matches!(mark, Mark::Crash(_)) || case.named.is_some();
                right && line.split([' ', '(', ')', ',']).any(|word| word.ends_with(&format!("{file}:{number}")))
            })
        })
    };
    let there = first.iter().any(|line| line.contains(function)) && (case.chain.is_empty() || first.iter().any(place));
    verdict.say(Question::Readable, there, || {
        format!("the first ten lines don't show {function} with file and line\n{stderr}")
    });
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGABRT => "SIGABRT",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGSYS => "SIGSYS",
        _ => "no signal",
    }
}
