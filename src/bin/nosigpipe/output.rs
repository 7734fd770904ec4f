//! Standard output and standard error. Unlike `println!`, nothing here panics when they are closed or can't be written.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::path::Path;

use crate::exit::Failure;
use wording::line::{Shown, is_harmless};

/// Writes text to standard output. std's own `stdout` reports success when the descriptor is closed (EBADF), so it is
/// not used.
pub fn write(text: &str) -> Result<(), Failure> {
    // SAFETY: nothing in this program closes standard output, and `ManuallyDrop` keeps this `File` from closing it.
    let mut stdout = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDOUT_FILENO) });
    stdout.write_all(text.as_bytes()).map_err(|error| Failure::about("standard output", &error))
}

/// Writes lines to standard output that may have text from outside in them, such as names of files: characters that
/// would control the terminal are replaced.
pub fn write_lines(text: &str) -> Result<(), Failure> {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(one_line).collect();
    write(&lines.join("\n"))
}

/// Like [`write_lines`], in colour if standard output is a terminal, TERM is not `dumb` and NO_COLOR (no-color.org) is
/// not set. `colour` gets each line and returns the escape sequence to put in front of it, if any.
pub fn write_coloured(text: &str, colour: impl Fn(&str) -> Option<&'static str>) -> Result<(), Failure> {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    if is_unwanted || !is_terminal() {
        return write_lines(text);
    }
    let line = |line| {
        let shown = one_line(line);
        match colour(&shown) {
            Some(start) => Cow::Owned(format!("{start}{shown}\x1b[m")),
            None => shown,
        }
    };
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(line).collect();
    write(&lines.join("\n"))
}

/// Writes JSON to standard output. What would control a terminal becomes a `\uXXXX` escape, so that a reader of the
/// JSON still gets the original text.
pub fn write_json(json: &str) -> Result<(), Failure> {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || is_harmless(character) {
            text.push(character);
        } else {
            // JSON has such characters only within strings, where an escape is allowed.
            text.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    write(&text)
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    // SAFETY: the call takes a number and touches no memory.
    unsafe { libc::isatty(libc::STDOUT_FILENO) == 1 }
}

/// Whether [`complain`] writes to a terminal.
pub fn complains_on_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Writes one line about what is wrong, or noteworthy, to standard error.
pub fn complain(message: &str) {
    // If this fails, too, there is nowhere else to report it.
    let _ = std::io::stderr().write_all(format!("nosigpipe: {}\n", one_line(message)).as_bytes());
}

/// A name from outside for a message: one line, without characters that would control the terminal.
pub fn name(name: &(impl AsRef<OsStr> + ?Sized)) -> String {
    one_line(&name.as_ref().to_string_lossy()).into_owned()
}

/// The same for a path.
pub fn path(path: &Path) -> String {
    name(path)
}

/// The text on one line, with harmless characters only.
fn one_line(text: &str) -> Cow<'_, str> {
    let shown = Shown(text.as_bytes(), usize::MAX).to_string();
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}
