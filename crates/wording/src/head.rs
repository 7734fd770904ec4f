//! The first lines of a report, and what the last one repeats of them. Allocates nothing: the library writes them in the
//! crashed process.

use core::fmt::{Result, Write};

use crate::line::Shown;
use crate::words;

/// Characters that are shown of a name, at most. Linux's names of threads have 15, of files 255 (NAME_MAX).
const NAME: usize = 64;

/// The program, the signal, the thread and the time.
#[derive(Default)]
pub struct Head<'a> {
    /// Base name of the executable file.
    pub program: &'a [u8],
    /// The process that crashed.
    pub pid: i64,
    /// Its signal's number.
    pub signal: i64,
    /// `si_code` of that signal.
    pub code: i64,
    /// The address of the fault, where it has one.
    pub address: Option<u64>,
    /// What was tried at that address: `reading`, `writing` or `executing`; empty when it is not known.
    pub access: &'a str,
    /// Why the processor refused the instruction, where that is known and the code does not say it.
    pub cause: &'a str,
    /// Process and user that sent the signal, where somebody did.
    pub sender: Option<(i64, i64)>,
    /// Number of the system call that seccomp forbade.
    pub call: Option<i64>,
    /// Signal and code of what the program's own handler has raised for the fault.
    pub raised: Option<(i64, i64)>,
    /// The thread that crashed.
    pub tid: i64,
    /// Name of the thread that crashed.
    pub thread: &'a [u8],
    /// `2026-01-31T12:00:00.123Z`
    pub time: &'a str,
    /// Milliseconds since the process began.
    pub uptime: u64,
}

impl Head<'_> {
    /// Writes what happened, in one sentence; then the thread and the time.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut dyn Write) -> Result {
        write!(to, "nosigpipe: {} (pid {}) crashed: ", Shown(self.program, NAME), self.pid)?;
        self.what(to)?;
        write!(to, "\n  thread {} \"{}\", ", self.tid, Shown(self.thread, NAME))?;
        for character in self.time.chars().take(NAME) {
            match character {
                'T' => to.write_char(' ')?,
                'Z' => to.write_str(" UTC")?,
                other => write!(to, "{}", Shown(other.encode_utf8(&mut [0; 4]).as_bytes(), 1))?,
            }
        }
        let seconds = self.uptime / 1000;
        let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
        if seconds < 60 {
            write!(to, ", {seconds}.{:02} s after its start", self.uptime / 10 % 100)?;
        } else {
            write!(to, ", {days} d {hours:02}:{minutes:02}:{:02} after its start", seconds % 60)?;
        }
        let Some((signal, code)) = self.raised else { return Ok(()) };
        let (name, _) = words::signal(signal as i32);
        let (code, _) = words::code(signal as i32, code as i32);
        let again = if signal == self.signal { " again" } else { "" };
        write!(to, "\n  the program's own handler ran and raised {name}{again} ({code})")
    }

    /// Writes the signal and its reason: the address of a fault, the sender, the forbidden system call.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn what(&self, to: &mut dyn Write) -> Result {
        let (signal, meaning) = words::signal(self.signal as i32);
        let (code, reason) = words::code(self.signal as i32, self.code as i32);
        let reason = if self.cause.is_empty() { reason } else { self.cause };
        let reason = Shown(reason.as_bytes(), 2 * NAME);
        write!(to, "{signal}, {meaning}")?;
        if let Some(call) = self.call {
            return write!(to, ": system call {call} ({code}: {reason})");
        }
        if let Some(address) = self.address {
            let access = if self.access.is_empty() { "at" } else { self.access };
            write!(to, " {} {address:#x}", Shown(access.as_bytes(), NAME))?;
            match address {
                _ if self.access.is_empty() => {}
                0 => to.write_str(" (null pointer)")?,
                1..0x1_0000 => write!(to, " (null pointer + {address})")?,
                _ => {}
            }
            return write!(to, ": {reason} ({code})");
        }
        match self.sender {
            Some((pid, _)) if pid == self.pid => write!(to, ", raised by the process itself ({code})"),
            Some((0, _)) => write!(to, ", sender unknown ({code})"),
            Some((pid, user)) => write!(to, ", sent by pid {pid} of uid {user} ({code})"),
            None => write!(to, ": {reason} ({code} {})", self.code),
        }
    }
}
