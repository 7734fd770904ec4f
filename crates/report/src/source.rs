//! The lines of a source file around a frame's line.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::text::shown;

/// Lines that are shown, at most; the frame's is in the middle.
const LINES: u64 = 5;
/// Bytes of a line that are kept, at most.
const WIDTH: usize = 160;
/// Bytes of a source file that are read, at most: longer ones are generated, and nobody reads them.
pub const MAX_FILE: usize = 16 << 20;
/// In front of the frame's line.
const MARK: &str = "    > ";

/// Extensions of source files of compiled languages. Debug information may be made up by somebody who wants to see other files
/// of this machine in a report; files worth that have none of these extensions.
const EXTENSIONS: [&str; 22] = [
    "c", "cc", "cpp", "cxx", "c++", "h", "hh", "hpp", "hxx", "inl", "ipp", "tcc", "rs", "go", "s", "m", "mm", "d",
    "zig", "f90", "cu", "nim",
];

/// Some lines of a file.
#[derive(Clone, Default)]
pub struct Source {
    /// The file.
    pub file: String,
    /// The number of the frame's line; lines count from 1.
    pub line: u64,
    /// The number of the first of `lines`.
    pub first: u64,
    /// The lines, without their newlines.
    pub lines: Vec<String>,
    /// Whether the file was changed after the program was built.
    pub is_changed: bool,
}

/// Whether a path is absolute and has a source file's extension, or the extension `also`.
#[must_use]
pub fn is_source(path: &str, also: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_known = |extension: &str| {
        let is = |known: &str| extension.eq_ignore_ascii_case(known);
        !extension.is_empty() && (EXTENSIONS.into_iter().any(is) || is(also))
    };
    path.starts_with('/')
        && name.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && is_known(extension))
}

/// Picks the lines out of a file that is read piece by piece.
pub struct Picker {
    /// The number of the frame's line.
    wanted: u64,
    /// The number of the line that the next byte belongs to.
    at: u64,
    /// What has been found of the lines, from [`Picker::first`] on.
    lines: Vec<Vec<u8>>,
}

impl Picker {
    /// A picker of the lines around the one with this number.
    #[must_use]
    pub fn new(line: u64) -> Self {
        Self { wanted: line, at: 1, lines: Vec::new() }
    }

    /// The number of the first line that is wanted.
    fn first(&self) -> u64 {
        self.wanted.saturating_sub(LINES / 2).max(1)
    }

    /// Takes the next piece of the file. False when no more is needed.
    pub fn take(&mut self, piece: &[u8]) -> bool {
        let (first, end) = (self.first(), self.wanted.saturating_add(LINES / 2 + 1));
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            if self.at >= end {
                break;
            }
            let is_ended = part.ends_with(b"\n");
            let text = if is_ended { part.get(..part.len() - 1).unwrap_or_default() } else { part };
            if self.at >= first {
                let index = (self.at - first) as usize;
                if self.lines.len() <= index {
                    self.lines.push(Vec::new());
                }
                if let Some(line) = self.lines.get_mut(index) {
                    let room = WIDTH.saturating_sub(line.len());
                    line.extend_from_slice(text.get(..room).unwrap_or(text));
                }
            }
            self.at += u64::from(is_ended);
        }
        self.at < end
    }

    /// The lines, if the frame's is among them.
    #[must_use]
    pub fn finish(self, file: &str, is_changed: bool) -> Option<Source> {
        let first = self.first();
        let is_there = self.wanted > 0 && (self.wanted - first) < self.lines.len() as u64;
        let text = |line: &Vec<u8>| {
            let text = String::from_utf8_lossy(line);
            // Where a line was cut at WIDTH, its last character may be incomplete.
            text.trim_end_matches(|end: char| end.is_whitespace() || end == '\u{fffd}').replace('\t', "    ")
        };
        let lines = self.lines.iter().map(text).collect();
        is_there.then(|| Source { file: file.to_owned(), line: self.wanted, first, lines, is_changed })
    }
}

/// The lines for people.
#[must_use]
pub fn text(sources: &[Source]) -> String {
    let mut text = String::new();
    for source in sources {
        let _ = write!(text, "source at {}:{}", shown(&source.file), source.line);
        if source.is_changed {
            text.push_str(" (changed since the program was built: these may be other lines)");
        }
        text.push_str(":\n");
        for (number, line) in (source.first..).zip(&source.lines) {
            let mark = if number == source.line { MARK } else { "      " };
            let start = text.len();
            let _ = write!(text, "{mark}{number:>5}  {}", shown(line));
            let end = text.trim_end().len().max(start);
            text.truncate(end);
            text.push('\n');
        }
    }
    text
}

/// The escape sequence that colours a line of a report on a terminal: the first line and the last, the heads of stacks, and a
/// frame's line of source.
#[must_use]
pub fn colour(line: &str) -> Option<&'static str> {
    const RED: &str = "\x1b[1;31m";
    const BOLD: &str = "\x1b[1m";
    const YELLOW: &str = "\x1b[1;33m";
    match line {
        _ if line.starts_with("nosigpipe: ") && (line.contains(" crashed: ") || line.contains(": in short: ")) => {
            Some(RED)
        }
        _ if line.starts_with(MARK) => Some(YELLOW),
        _ if line.starts_with("stack of ") => Some(BOLD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn around(content: &str, line: u64, piece: usize) -> Option<Source> {
        let mut picker = Picker::new(line);
        for piece in content.as_bytes().chunks(piece) {
            if !picker.take(piece) {
                break;
            }
        }
        picker.finish("/src/a.c", false)
    }

    #[test]
    fn the_lines_around_one_are_picked_whatever_the_pieces() {
        let content: String = (1..=9).map(|line| format!("line {line}\n")).collect();
        for piece in [1, 2, 7, 64, 1000] {
            let lines = |line, first, expected: &[&str]| {
                let found = around(&content, line, piece).unwrap_or_default();
                assert_eq!((found.first, found.lines.join("|")), (first, expected.join("|")), "{line} by {piece}");
            };
            lines(5, 3, &["line 3", "line 4", "line 5", "line 6", "line 7"]);
            lines(1, 1, &["line 1", "line 2", "line 3"]);
            lines(9, 7, &["line 7", "line 8", "line 9"]);
        }
        assert!(around(&content, 10, 64).is_none() && around(&content, 0, 64).is_none());
        assert!(around("", 1, 64).is_none() && around("no end", 1, 64).is_some());
        assert!(around(&content, u64::MAX, 64).is_none());
    }

    #[test]
    fn long_lines_are_cut_at_a_character() {
        let long = around(&"ä".repeat(4000), 1, 33).unwrap_or_default();
        assert_eq!(long.lines, ["ä".repeat(80)]);
    }

    #[test]
    fn only_names_of_sources_are_names_of_sources() {
        for name in ["/a.c", "/x/b.CPP", "/x/y.rs", "/x/model.py"] {
            assert!(is_source(name, "py"), "{name}");
        }
        for name in ["a.c", "/etc/shadow", "/x/.c", "/x.c/shadow", "/x/key.pem", "", "/"] {
            assert!(!is_source(name, "py"), "{name}");
        }
        assert!(!is_source("/x/settings.py", "") && !is_source("/x/secret.", ""));
    }
}
