//! The first lines of a report, written from a fixed buffer before anything else is tried.

use core::cell::UnsafeCell;
use core::fmt::Write;

use super::words;
use super::{handler::incident, options, program};
use crate::line::Line;
use crate::options::Format;
use crate::platform::{self, Access};

/// What standard error is to a report.
pub const STDERR: i32 = 2;

/// Writes the first lines. Where standard error is to have JSON, which is one object, they come only if that fails.
pub fn write() {
    if options().format == Format::Text || options().report.is_some() {
        write_now();
    }
}

/// Writes the first lines whatever the format.
pub fn write_now() {
    /// Not on the stack, which may be one of 8 KiB.
    struct Text(UnsafeCell<Line<1024>>);
    // SAFETY: only the thread that holds the claim writes a header.
    unsafe impl Sync for Text {}
    static TEXT: Text = Text(UnsafeCell::new(Line::empty()));
    // SAFETY: we hold the claim.
    let text = unsafe { &mut *TEXT.0.get() };
    text.start();
    fill(text);
    say(text.finish());
}

/// Writes to standard error, as long as somebody reads there.
pub fn say(bytes: &[u8]) {
    platform::write_until(STDERR, bytes, incident().patience);
}

/// One sentence that says it all, and one with the circumstances.
fn fill<const N: usize>(text: &mut Line<N>) {
    let incident = incident();
    let fault = &incident.fault;
    let (signal, meaning) = words::signal(fault.signal);
    let (code, reason) = words::code(fault.signal, fault.code);
    text.push_foreign(program(), 64);
    let _ = write!(text, " (pid {}) crashed: {signal}, {meaning}", incident.pid);
    if fault.signal == libc::SIGSYS && fault.code > 0 {
        let _ = write!(text, ": system call {} ({code}: {reason})", fault.call);
    } else if words::has_address(fault.signal, fault.code) {
        let access = match fault.access {
            Access::Unknown => " at",
            Access::Read => " reading",
            Access::Write => " writing",
            Access::Execute => " executing",
        };
        let _ = write!(text, "{access} {:#x}", fault.address);
        if matches!(fault.access, Access::Unknown) {
        } else if fault.address == 0 {
            text.push(b" (null pointer)");
        } else if fault.address < 0x1_0000 {
            let _ = write!(text, " (null pointer + {})", fault.address);
        }
        let _ = write!(text, ": {reason} ({code})");
    } else if words::was_sent(fault.code) {
        if fault.sender == incident.pid {
            let _ = write!(text, ", raised by the process itself ({code})");
        } else if fault.sender == 0 {
            let _ = write!(text, ", sent by somebody whom the system does not name ({code})");
        } else {
            let _ = write!(text, ", sent by pid {} of uid {} ({code})", fault.sender, fault.user);
        }
    } else {
        let _ = write!(text, ": {reason} ({code} {})", fault.code);
    }
    let _ = write!(text, "\n  thread {} ", incident.tid);
    push_quoted(text, &incident.thread);
    text.push(b", ");
    push_time(text, incident.time);
    let seconds = incident.uptime / 1_000_000_000;
    if seconds < 60 {
        let _ = write!(text, ", {}.{:02} s after its start", seconds, incident.uptime / 10_000_000 % 100);
    } else {
        let _ = write!(
            text,
            ", {} d {:02}:{:02}:{:02} after its start",
            seconds / 86400,
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60
        );
    }
}

/// A zero-padded name in quotes.
pub fn push_quoted<const N: usize>(text: &mut Line<N>, name: &[u8]) {
    text.push(b"\"");
    text.push_foreign(name.split(|&byte| byte == 0).next().unwrap_or_default(), 64);
    text.push(b"\"");
}

/// Date and time in UTC (days to civil date: Howard Hinnant's algorithm).
fn push_time<const N: usize>(text: &mut Line<N>, (seconds, nanoseconds): (i64, u32)) {
    let (date, time) = civil(seconds);
    let _ = write!(
        text,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} UTC",
        date[0],
        date[1],
        date[2],
        time[0],
        time[1],
        time[2],
        nanoseconds / 1_000_000
    );
}

/// Year, month and day; hour, minute and second.
pub fn civil(seconds: i64) -> ([i64; 3], [i64; 3]) {
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
