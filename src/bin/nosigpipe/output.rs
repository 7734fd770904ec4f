//! Standard output and standard error. Neither being closed nor full is a reason to panic.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::path::Path;

use crate::exit::Failure;
use wording::line::{Shown, is_harmless};

/// Writes text to standard output. Not by std's own, to which a closed one is as good as an open one.
pub fn write(text: &str) -> Result<(), Failure> {
    // SAFETY: the descriptor is closed by nobody, nor by this: it is not dropped.
    let mut stdout = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDOUT_FILENO) });
    stdout.write_all(text.as_bytes()).map_err(|error| Failure::about("standard output", &error))
}

/// Writes lines to standard output that may have text from outside in them, so that they leave the terminal alone.
pub fn write_lines(text: &str) -> Result<(), Failure> {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(one_line).collect();
    write(&lines.join("\n"))
}

/// The same in colours, if standard output is a terminal and its user has nothing against them (NO_COLOR, no-color.org). `colour`
/// is asked about each line for the escape sequence in front of it.
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

/// As [`write_lines`] for JSON, whose reader gets the text as it is.
pub fn write_json(json: &str) -> Result<(), Failure> {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || is_harmless(character) {
            text.push(character);
        } else {
            // Only strings have such characters in them.
            text.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    write(&text)
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    // SAFETY: it only answers.
    unsafe { libc::isatty(libc::STDOUT_FILENO) == 1 }
}

/// Writes one line about what is wrong, or noteworthy, to standard error.
pub fn complain(message: &str) {
    // Nobody is left to be told when this fails.
    let _ = std::io::stderr().write_all(format!("nosigpipe: {}\n", one_line(message)).as_bytes());
}

/// A name from outside, as one line that leaves the terminal alone.
pub fn name(name: &(impl AsRef<OsStr> + ?Sized)) -> String {
    one_line(&name.as_ref().to_string_lossy()).into_owned()
}

/// A path from outside, as one line.
pub fn path(path: &Path) -> String {
    name(path)
}

fn one_line(text: &str) -> Cow<'_, str> {
    let shown = Shown(text.as_bytes(), usize::MAX).to_string();
    if shown == text { Cow::Borrowed(text) } else { Cow::Owned(shown) }
}
