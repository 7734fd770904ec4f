//! Where a report goes besides standard error: the system's log, systemd's journal, a container's termination log. And what the
//! directory for reports has of earlier crashes.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering::Relaxed;

use super::output::{Output, name_without_ending, program_in_names};
use super::time_in_names;
use crate::platform::{self, LogSocket};
use report::{Report, text};

use runtime::crash::reporter::{DRAFT, progress};
use runtime::crash::{incident, options, program};
use settings::options::{TARGETS, TO_JOURNAL, TO_SYSLOG};
use wording::words;

/// How long all logs together may keep the report waiting, in nanoseconds.
const LOG_TIMEOUT: u64 = 500_000_000;
/// Lines of the crashed thread's stack that are sent to a log.
const STACK_LINES: usize = 40;
/// Bytes of text in one message to syslog, at most; RFC 3164 allows 1,024 for the whole message.
const MAX_LINE: usize = 900;
/// Bytes of a container's termination message, at most: Kubernetes takes no more.
const MAX_TERMINATION: usize = 4096;
/// LOG_DAEMON without its shift, syslog(3).
const FACILITY: u32 = 3;
/// LOG_CRIT, syslog(3).
const SEVERITY: u32 = 2;

/// Sends the report to every log that was named, and writes the termination log. False if one of them did not take it and nothing else
/// was asked to have the whole report.
pub fn send(report: &Report, output: &Output) -> bool {
    if !may_send(NAMED) {
        return true;
    }
    let until = until();
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
        // Nobody reads standard error, as of a daemon.
        tell_a_log(report);
    }
    if let Some(path) = options.termination_log
        && let Err(error) = platform::write_termination_log(&[path, b"\0"].concat(), termination(report).as_bytes())
    {
        output.complain(&String::from_utf8_lossy(path), error);
    }
    !has_failed || options.report.is_some() || options.is_on_stderr()
}

/// Sends the report to a log that nobody has named, since it would be lost otherwise. That there may be none is no error.
pub fn tell_a_log(report: &Report) {
    if may_send(NOT_NAMED) {
        let until = until();
        let _ = journal(report, until).or_else(|_| syslog(report, until));
    }
}

/// What a report has been sent to ([`may_send`]): the logs that were named, one that was not.
const NAMED: u32 = 1;
const NOT_NAMED: u32 = 2;

/// Whether the report may be sent now: a second attempt at it does not send it again, and a privileged process tells nobody what its
/// caller may not know, since its environment is its caller's.
fn may_send(to: u32) -> bool {
    let is_sent = progress().is_some_and(|progress| progress.logged.fetch_or(to, Relaxed) & to != 0);
    !is_sent && !platform::is_confidential()
}

/// How long logs may keep the report waiting, on the clock of [`platform::nanoseconds`].
fn until() -> u64 {
    incident().deadline.min(platform::nanoseconds() + LOG_TIMEOUT)
}

/// The head, the start of the crashed stack and the summary, for logs, of which a reader may have only the start or the end.
fn short(report: &Report) -> String {
    let mut short = text::head(report);
    short.push_str(&text::findings(report));
    short.extend(text::crashed_thread(report).split_inclusive('\n').take(STACK_LINES));
    short.push_str(&text::summary(report));
    short
}

/// The start of a text, as many whole characters as have room in so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// A container's termination message: the summary, and as many whole lines of the rest as have room.
fn termination(report: &Report) -> String {
    let mut message = report.summary();
    message.push('\n');
    let rest = [text::findings(report), text::crashed_thread(report)];
    for line in rest.iter().flat_map(|part| part.split_inclusive('\n')) {
        if message.len() + line.len() > MAX_TERMINATION {
            break;
        }
        message.push_str(line);
    }
    cut(&message, MAX_TERMINATION).to_owned()
}

/// The program's name as a tag (RFC 3164, 4.1.3): without characters that would end it.
fn tag() -> String {
    let name = String::from_utf8_lossy(program());
    name.chars().take(32).map(|it| if it.is_ascii_alphanumeric() || "._-+".contains(it) { it } else { '_' }).collect()
}

/// Sends a message for each line, as syslog(3) writes them, but with the time in UTC: libc can't be asked for local time in a crashed
/// process. Logs on the same machine take the time of arrival instead.
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
        let _ = write!(line, "<{priority}>{month} {day:>2} {time} {tag}[{pid}]: {}", cut(part, MAX_LINE));
        log.send(line.as_bytes(), until)?;
    }
    Ok(())
}

/// Sends one message with fields to systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): each value has
/// its length in front, since it may contain newlines.
fn journal(report: &Report, until: u64) -> Result<(), i32> {
    /// The MESSAGE_ID of all crash reports, a random number (sd_journal_print(3), sd-id128(3)).
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

/// The time in the name of a report, if that is one of this program.
fn time_of<'a>(name: &'a str, program: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(program)?.strip_prefix('.')?;
    let (pid, rest) = rest.split_once('.')?;
    let time = rest.strip_suffix(".txt").or_else(|| rest.strip_suffix(".json"))?;
    let is_time = time.len() == "2026-01-31T120000.123Z".len() && time.ends_with('Z');
    (is_time && !pid.is_empty() && pid.bytes().all(|digit| digit.is_ascii_digit())).then_some(time)
}

/// Which report a file is a draft of, by its name.
fn draft_of(name: &str) -> Option<&str> {
    name.strip_prefix(DRAFT.0)?.strip_suffix(DRAFT.1)
}

/// The times and names of this program's reports in a directory, the oldest first.
fn reports_in(directory: &str, with_drafts: bool) -> BTreeSet<(String, String)> {
    let program = program_in_names();
    let time_and_name = |name: String| {
        let report = draft_of(&name).filter(|_| with_drafts).unwrap_or(&name);
        Some((time_of(report, &program)?.to_owned(), name))
    };
    platform::report_names(directory).into_iter().filter_map(time_and_name).collect()
}

/// The number of this crash among those with its fingerprint, counted from 1, and the time of the first of them, by what the reports in
/// the directory say of theirs. Only the newest are read, and drafts of reports that others are writing at the moment.
pub fn occurrence(directory: &str, report: &Report) -> (u64, String) {
    const MOST: usize = 64;
    let own = name_without_ending(&time_in_names(report));
    let reports = reports_in(directory, true);
    let others = reports.iter().rev().filter(|(_, name)| !draft_of(name).unwrap_or(name).starts_with(&own));
    let counts = others.take(MOST).filter_map(|(_, name)| {
        let mut content = platform::read_report(directory, name);
        if content.is_empty()
            && let Some(report) = draft_of(name)
        {
            // It is done since its name was read.
            content = platform::read_report(directory, report);
        }
        occurrence_in(&String::from_utf8_lossy(&content), &report.fingerprint)
    });
    // Not the newest: of crashes at the same moment, the later one may have been counted earlier.
    match counts.max() {
        Some((count, first)) => (count.saturating_add(1), first),
        None => (1, report.time.clone()),
    }
}

/// Removes the oldest reports of this program, so that no more than `keep` are left.
pub fn prune(directory: &str, keep: u32) {
    let reports = reports_in(directory, false);
    let surplus = reports.len().saturating_sub(keep as usize);
    for (_, name) in reports.iter().take(surplus) {
        platform::remove_report(directory, name);
    }
}

/// What a report, by its start, says of its occurrence if it has this fingerprint: its number, and the time of the first.
fn occurrence_in(content: &str, fingerprint: &str) -> Option<(u64, String)> {
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
        return if is_same { Some((count?, first?.to_owned())) } else { None };
    }
    let line = content.lines().find(|line| line.starts_with("  in ") || line.starts_with("  fingerprint "))?;
    let (_, rest) = line.rsplit_once(" fingerprint ")?;
    let rest = rest.strip_prefix(fingerprint)?;
    let (Some((count, _)), Some((_, first))) = (rest.split_once(" crash with it"), rest.rsplit_once(' ')) else {
        return None;
    };
    let count = count.trim_matches(|it: char| !it.is_ascii_digit()).parse().ok()?;
    is_time(&first).then(|| (count, first.to_owned()))
}
