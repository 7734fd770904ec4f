//! The first lines of a report, written from a fixed buffer before anything else is tried.

use core::cell::UnsafeCell;
use core::fmt::Write;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};

use super::incident::{Incident, incident};
use super::reporter::progress;
use super::settings::{options, program};
use crate::arch;
use crate::platform::{self, Access, Cause};
use settings::options::Format;
use wording::head::Head;
use wording::line::{Line, Shown};
use wording::words;

/// Whether standard error's reader has stopped reading: it was waited for once, and is not waited for again.
static STALLED: AtomicBool = AtomicBool::new(false);

/// Whether the first lines were written, or there is nobody who would read them.
static IS_WRITTEN: AtomicBool = AtomicBool::new(false);

/// How long a reader of standard error that has stopped reading is waited for, in nanoseconds.
const READER_TIMEOUT: u64 = 2_000_000_000;

/// How many texts [`write_text`] has in use: more than one if the first has crashed.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// To be called when a report begins.
pub fn start() {
    // Where there are no copies, a vforked child may have died while it wrote, and left its state in our memory.
    IN_USE.store(0, Relaxed);
    STALLED.store(false, Relaxed);
    IS_WRITTEN.store(false, Relaxed);
}

/// Whether there is a standard error to write to.
pub fn has_reader() -> bool {
    platform::stderr().is_some()
}

/// Writes the first lines. Where standard error is to have JSON, which is one object, they come only if that fails.
pub fn write() {
    if is_for_copy() {
        return;
    }
    if options().format == Format::Text || !options().is_on_stderr() {
        write_now();
    }
}

/// Whether the first lines wait for what the copy of the process finds out: a signal that the process has sent itself may
/// be what a handler of the program has made of a fault in another thread.
pub fn is_for_copy() -> bool {
    let Incident { raised, is_raised_again, pid, tid, .. } = incident();
    !is_raised_again
        && words::was_sent(raised.code)
        && raised.sender == *pid
        && !platform::is_raised_by(*pid, *tid, raised)
}

/// When there has been no copy, or it has crashed: writes the first lines if they are missing, or perhaps only begun.
pub fn write_if_missing() {
    let is_written_by_copy = progress().is_some_and(|progress| progress.header.load(Relaxed) != 0);
    if !is_written_by_copy && !IS_WRITTEN.load(Relaxed) {
        write_now();
    }
}

/// Writes the first lines whatever the format.
pub fn write_now() {
    write_text(|head, text| head.write(text));
    IS_WRITTEN.store(true, Relaxed);
}

/// Writes the last line of a report that is not the usual one: what happened, once more, since of a long log often only the
/// end is kept.
pub fn write_summary() {
    write_text(|head, text| {
        write!(text, "nosigpipe: in short: {} (pid {}): ", Shown(head.program, 64), head.pid)?;
        head.what(text)
    });
}

fn write_text(write: fn(&Head, &mut dyn Write) -> core::fmt::Result) {
    /// Not on the stack, which may be one of 8 KiB.
    struct Text(UnsafeCell<Line<1024>>);
    // SAFETY: each is given to one caller at a time, by the count below.
    unsafe impl Sync for Text {}
    /// The second is for a crash while the first is filled, whose handler comes here again.
    static TEXTS: [Text; 2] = [const { Text(UnsafeCell::new(Line::empty())) }; 2];
    let in_use = IN_USE.fetch_add(1, AcqRel);
    if let Some(text) = TEXTS.get(in_use) {
        // SAFETY: only the thread that holds the claim comes here. If a crash has interrupted its first call, this is its second one,
        // which has the other text.
        let text = unsafe { &mut *text.0.get() };
        *text = Line::empty();
        fill(incident(), text, write);
        say(text.finish());
    }
    IN_USE.store(in_use, Relaxed);
}

/// Writes the first lines where nothing else of a report can be written, and changes no memory but the stack.
pub fn write_least(incident: &Incident) {
    let mut text = Line::<1024>::empty();
    fill(incident, &mut text, |head, text| head.write(text));
    text.push(b"\nnosigpipe: the report ends here: the process could not be copied");
    if let Some(stderr) = platform::stderr() {
        platform::write_until(stderr, text.finish(), READER_TIMEOUT, incident.deadline);
    }
}

/// Writes to standard error, unless its reader has stopped reading.
pub fn say(bytes: &[u8]) {
    if let Some(stderr) = platform::stderr() {
        say_on(stderr, bytes);
    }
}

/// The same where standard error has another descriptor, as in a copy; -1 for none.
pub fn say_on(stderr: i32, bytes: &[u8]) {
    let timeout = if STALLED.load(Relaxed) { 0 } else { READER_TIMEOUT };
    if stderr >= 0 && !platform::write_until(stderr, bytes, timeout, incident().deadline) {
        STALLED.store(true, Relaxed);
    }
}

/// Writes the one line of a report that a sandbox forbids.
pub fn write_forbidden(incident: &Incident) {
    let mut text = Line::<1024>::empty();
    fill(incident, &mut text, |head, text| {
        write!(text, "nosigpipe: {} (pid {}) crashed: ", Shown(head.program, 64), head.pid)?;
        head.what(text)?;
        write!(text, "; the program's seccomp filter forbids more")
    });
    if let Some(stderr) = platform::stderr() {
        platform::write_until(stderr, text.finish(), READER_TIMEOUT, u64::MAX);
    }
}

/// Writes into `text` what `write` makes of the incident's head.
fn fill(incident: &Incident, text: &mut dyn Write, write: fn(&Head, &mut dyn Write) -> core::fmt::Result) {
    let (fault, raised) = (&incident.fault, &incident.raised);
    let mut time = Line::<40>::empty();
    push_time(&mut time, incident.time);
    let head = Head {
        program: program(),
        pid: i64::from(incident.pid),
        signal: i64::from(fault.signal),
        code: i64::from(fault.code),
        address: address(incident),
        access: access(incident),
        cause: cause(incident.cause),
        sender: words::was_sent(fault.code).then(|| (i64::from(fault.sender), i64::from(fault.user))),
        call: (fault.signal == libc::SIGSYS && fault.code > 0).then(|| i64::from(fault.call)),
        raised: incident.is_raised_again.then(|| (i64::from(raised.signal), i64::from(raised.code))),
        tid: i64::from(incident.tid),
        thread: incident.thread.split(|&byte| byte == 0).next().unwrap_or_default(),
        time: core::str::from_utf8(time.bytes()).unwrap_or_default(),
        uptime: incident.uptime / 1_000_000,
    };
    let _ = write(&head, text);
}

/// The address of the fault, where it has one.
pub fn address(incident: &Incident) -> Option<u64> {
    let fault = &incident.fault;
    match incident.cause {
        Cause::NoAddress(address) | Cause::NoTarget(address) | Cause::Misaligned(address) => Some(address),
        _ => words::has_address(fault.signal, fault.code).then_some(fault.address),
    }
}

/// What was tried with that address: `reading`, `writing`, `executing`, or nothing.
pub fn access(incident: &Incident) -> &'static str {
    match (incident.cause, incident.fault.access) {
        (Cause::NoTarget(_), _) | (_, Access::Execute) => "executing",
        (_, Access::Read) => "reading",
        (_, Access::Write) => "writing",
        (_, Access::Unknown) => "",
    }
}

/// Why the processor refused an instruction, in words; nothing where the signal's code says it.
pub fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Unknown => "",
        Cause::Protection => "general protection fault, cause unknown",
        Cause::NoAddress(_) | Cause::NoTarget(_) => arch::WORDS.no_address,
        Cause::Misaligned(_) => "the address is not aligned as the instruction needs it",
        Cause::NotAllowed => "an instruction that only the kernel may execute",
        Cause::DividedByZero => "integer division by zero",
        Cause::QuotientTooLarge => "integer division whose quotient does not fit",
        Cause::DividedByZeroOrTooLarge => "integer division by zero, or one whose quotient does not fit",
        Cause::MadeToFail => arch::WORDS.made_to_fail,
        Cause::Breakpoint => arch::WORDS.breakpoint,
    }
}

/// Date and time in UTC as ISO 8601 has them, from seconds and nanoseconds since 1970.
pub fn push_time(text: &mut dyn Write, (seconds, nanoseconds): (i64, u32)) {
    if seconds == 0 {
        // A sandbox forbids the question.
        let _ = text.write_str("time unknown");
        return;
    }
    let ([year, month, day], [hour, minute, second]) = civil(seconds);
    let millisecond = nanoseconds / 1_000_000;
    let _ = write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z");
}

/// Year, month and day; hour, minute and second, by Howard Hinnant's `civil_from_days` (chrono-Compatible Low-Level Date Algorithms).
fn civil(seconds: i64) -> ([i64; 3], [i64; 3]) {
    let (days, rest) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    ([year, month, day], [rest / 3600, rest / 60 % 60, rest % 60])
}
