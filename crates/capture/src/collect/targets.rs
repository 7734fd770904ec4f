//! Where a report goes besides standard error: the system's log, systemd's journal, the file that a container's end is told
//! by. And that a directory for reports does not fill.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

use super::output::Output;
use crate::platform::{self, LogSocket};
use report::{Report, text};

use runtime::crash::reporter::progress;
use runtime::crash::{incident, options, program};
use settings::options::{TARGETS, TO_JOURNAL, TO_SYSLOG};
use wording::words;

/// How long logs may keep us waiting, together.
const PATIENCE: u64 = 500_000_000;
/// Lines of the crashed thread's stack that are sent to a log.
const STACK: usize = 40;
/// Most bytes of a line for syslog(3); RFC 3164 has 1,024 with everything.
const LINE: usize = 900;
/// Most bytes of a container's termination message: Kubernetes takes no more.
const MESSAGE: usize = 4096;
/// LOG_DAEMON and LOG_CRIT, syslog(3).
const FACILITY: u32 = 3;
const SEVERITY: u32 = 2;

/// Tells everybody who was named. False if one of them did not take it, and there is no other who has all of the report.
pub fn tell(report: &Report, output: &Output) -> bool {
    let is_told = progress().is_some_and(|progress| progress.logged.swap(1, Relaxed) != 0);
    // What is in such a process is nobody's business; its environment is not trusted anyway.
    if is_told || platform::is_confidential() {
        return true;
    }
    let until = incident().deadline.min(platform::nanoseconds() + PATIENCE);
    let mut has_failed = false;
    let options = options();
    for (name, bit) in TARGETS {
        let result = match options.targets & bit {
            TO_SYSLOG => syslog(report, until),
            TO_JOURNAL => journal(report, until),
            _ => Ok(()),
        };
        if let Err(error) = result {
            has_failed = true;
            output.complain(name, error);
        }
    }
    if options.is_default() && output.is_unread() {
        // Nobody has asked for it, and where there is no log, there is none.
        let _ = journal(report, until).or_else(|_| syslog(report, until));
    }
    if let Some(path) = options.termination_log
        && let Err(error) = platform::write_termination_log(&[path, b"\0"].concat(), termination(report).as_bytes())
    {
        output.complain(&String::from_utf8_lossy(path), error);
    }
    !has_failed || options.report.is_some() || options.is_on_stderr()
}

/// The head, the crashed stack and the summary, for logs where each line is a message of its own. What happened is in the first line
/// and in the last, since a reader may have only one end of it.
fn short(report: &Report) -> String {
    let mut short = text::head(report);
    short.push_str(&text::findings(report));
    short.extend(text::crashed_thread(report).split_inclusive('\n').take(STACK));
    short.push_str(&text::summary(report));
    short
}

/// The end of what fits, at the end of a character.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn termination(report: &Report) -> String {
    let mut message = report.summary();
    message.push('\n');
    let rest = [text::findings(report), text::crashed_thread(report)];
    for line in rest.iter().flat_map(|part| part.split_inclusive('\n')) {
        if message.len() + line.len() > MESSAGE {
            break;
        }
        message.push_str(line);
    }
    cut(&message, MESSAGE).to_owned()
}

/// The program's name as a log's tag, which ends where a blank, a colon or a bracket comes.
fn tag() -> String {
    let name = String::from_utf8_lossy(program());
    name.chars().take(32).map(|it| if it.is_ascii_alphanumeric() || "._-+".contains(it) { it } else { '_' }).collect()
}

/// A message for each line, as syslog(3) writes them; but the time is in UTC, since what says which time is local here can't
/// be asked in a crashed process. Logs on the same machine take the time of arrival.
fn syslog(report: &Report, until: u64) -> Result<(), i32> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let log = LogSocket::open(platform::SYSLOG)?;
    let part = |from, to| report.time.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse().ok().and_then(|month: usize| MONTHS.get(month.checked_sub(1)?));
    let day: u32 = part(8, 10).parse().unwrap_or(1);
    let (tag, pid, time) = (tag(), report.pid, part(11, 19));
    let mut line = String::new();
    let priority = FACILITY * 8 + SEVERITY;
    for part in short(report).lines() {
        line.clear();
        let month = month.unwrap_or(&"Jan");
        let _ = write!(line, "<{priority}>{month} {day:>2} {time} {tag}[{pid}]: {}", cut(part, LINE));
        log.send(line.as_bytes(), until)?;
    }
    Ok(())
}

/// One message with fields, as systemd's documents say: a value with line breaks has its length in front.
fn journal(report: &Report, until: u64) -> Result<(), i32> {
    /// What messages of this kind are found by.
    const ID: &str = "7d2a5c0e1b4f4c0f9a3e6b8d5f017c42";
    let log = LogSocket::open(platform::JOURNAL)?;
    let mut message = Vec::new();
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            message.extend_from_slice(name.as_bytes());
            message.push(b'\n');
            message.extend_from_slice(&(value.len() as u64).to_le_bytes());
            message.extend_from_slice(value.as_bytes());
            message.push(b'\n');
        }
    };
    let number = |number: i64| format!("{number}");
    field("MESSAGE", cut(&short(report), 1 << 15));
    field("MESSAGE_ID", ID);
    field("PRIORITY", &number(SEVERITY.into()));
    field("SYSLOG_FACILITY", &number(FACILITY.into()));
    field("SYSLOG_IDENTIFIER", &tag());
    field("SYSLOG_PID", &number(report.pid));
    if let Some(culprit) = report.culprit() {
        field("CODE_FUNC", cut(&culprit.function, 1024));
        if !culprit.file.is_empty() {
            field("CODE_FILE", cut(&culprit.file, 1024));
            field("CODE_LINE", &number(culprit.line as i64));
        }
    }
    field("NOSIGPIPE_SIGNAL", words::signal(report.signal as i32).0);
    field("NOSIGPIPE_TID", &number(report.tid));
    field("NOSIGPIPE_EXECUTABLE", cut(&report.executable, 1024));
    field("NOSIGPIPE_FINGERPRINT", &report.fingerprint);
    field("NOSIGPIPE_SUMMARY", &report.summary());
    log.send(&message, until)
}

/// The time in the name of a report of this program.
fn time_of<'a>(name: &'a str, program: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(program)?.strip_prefix('.')?;
    let (pid, rest) = rest.split_once('.')?;
    let time = rest.strip_suffix(".txt").or_else(|| rest.strip_suffix(".json"))?;
    let is_time = time.len() == "2026-01-31T120000.123Z".len() && time.ends_with('Z');
    (is_time && !pid.is_empty() && pid.bytes().all(|digit| digit.is_ascii_digit())).then_some(time)
}

/// The reports of this program in the directory.
pub struct Shelf<'a> {
    directory: &'a str,
    /// Time and name, the newest at the end.
    reports: Vec<(String, String)>,
}

impl<'a> Shelf<'a> {
    /// Looks what is there.
    pub fn of(directory: &'a str, program: &str) -> Self {
        let mut reports: Vec<(String, String)> = Vec::new();
        for name in platform::report_names(directory) {
            if let Some(time) = time_of(&name, program) {
                let time = time.to_owned();
                reports.push((time, name));
            }
        }
        Self { directory, reports }
    }

    /// Takes the newest or the oldest of them.
    fn take(&mut self, is_newest: bool) -> Option<(String, String)> {
        let mut best = 0;
        for (index, report) in self.reports.iter().enumerate() {
            if self.reports.get(best).is_some_and(|other| (report > other) == is_newest) {
                best = index;
            }
        }
        (!self.reports.is_empty()).then(|| self.reports.swap_remove(best))
    }

    /// Which crash with this fingerprint it is, and when the first one was, as the newest report of one says. Some of the
    /// newest are looked at.
    pub fn occurrence(&self, fingerprint: &str, time: &str) -> (u64, String) {
        const MOST: usize = 64;
        let mut rest = Self { directory: self.directory, reports: self.reports.clone() };
        for _ in 0..MOST {
            let Some((_, name)) = rest.take(true) else { break };
            let content = platform::read_report(self.directory, &name);
            let content = String::from_utf8_lossy(&content);
            if let Some((count, first)) = earlier(&content, fingerprint) {
                return (count.saturating_add(1), first.to_owned());
            }
        }
        (1, time.to_owned())
    }

    /// Removes the oldest, so that so many are left.
    pub fn prune(mut self, keep: u32) {
        while self.reports.len() > keep as usize {
            let Some((_, name)) = self.take(false) else { break };
            platform::remove_report(self.directory, &name);
        }
    }
}

/// What a report that begins so says of its fingerprint, if it has this one: which crash it was, and when the first was.
fn earlier<'a>(content: &'a str, fingerprint: &str) -> Option<(u64, &'a str)> {
    let is_time = |time: &&str| time.len() == "2026-01-31T12:00:00.123Z".len();
    if fingerprint.is_empty() {
        return None;
    }
    if content.starts_with('{') {
        let value = |key: &str| {
            let (_, rest) = content.split_once(key)?;
            rest.trim_start_matches('"').split(['"', ',']).next()
        };
        let is_same = value("\"fingerprint\":") == Some(fingerprint);
        let count = value("\"occurrence\":").and_then(|count| count.parse().ok());
        let first = value("\"first_occurrence\":").filter(is_time);
        return if is_same { Some((count?, first?)) } else { None };
    }
    let line = content.lines().find(|line| line.starts_with("  in ") || line.starts_with("  fingerprint "))?;
    let (_, rest) = line.rsplit_once(" fingerprint ")?;
    let rest = rest.strip_prefix(fingerprint)?;
    let (Some((count, _)), Some((_, first))) = (rest.split_once(" crash with it"), rest.rsplit_once(' ')) else {
        return None;
    };
    let count = count.trim_matches(|it: char| !it.is_ascii_digit()).parse().ok()?;
    is_time(&first).then_some((count, first))
}
