//! A part of `report`: the source lines around the program's own frame, and colour on a terminal.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::output;
use report::{Frame, Report};

/// Lines that are shown, at most; the frame's is in the middle.
const LINES: usize = 5;
/// Characters of a line that are shown, at most.
const WIDTH: usize = 160;
/// Bytes of a source file, at most: longer ones are generated, and nobody reads them.
const SIZE: usize = 16 << 20;
/// Ends of names that source files have. The report may come from somebody who wants to see other files of this machine in
/// the output; such files end in none of these.
const ENDS: [&str; 22] = [
    "c", "cc", "cpp", "cxx", "c++", "h", "hh", "hpp", "hxx", "inl", "ipp", "tcc", "rs", "go", "s", "m", "mm", "d",
    "zig", "f90", "cu", "nim",
];

/// In front of the line that is meant.
const MARK: &str = "    > ";

/// The lines around the first frame that is the program's own, where its source file is there; else nothing.
pub fn around(report: &Report, map_file: fn(&str) -> Option<&'static [u8]>) -> String {
    report.culprit().and_then(|frame| lines(report, frame, map_file)).unwrap_or_default()
}

fn lines(report: &Report, frame: &Frame, map_file: fn(&str) -> Option<&'static [u8]>) -> Option<String> {
    let path = Path::new(&frame.file);
    let end = path.extension()?.to_str()?.to_ascii_lowercase();
    if !path.is_absolute() || !ENDS.contains(&end.as_str()) {
        return None;
    }
    let content = map_file(&frame.file).filter(|content| content.len() <= SIZE)?;
    let wanted = usize::try_from(frame.line).ok()?.checked_sub(1)?;
    let first = wanted.saturating_sub(LINES / 2);
    let found: Vec<&[u8]> = content.split(|&byte| byte == b'\n').skip(first).take(LINES).collect();
    found.get(wanted - first)?;
    let mut text = format!("source at {}:{}", output::name(&frame.file), frame.line);
    if is_newer(path, report, frame) {
        text.push_str(" (changed since the program was built: these may be other lines)");
    }
    text.push_str(":\n");
    for (index, line) in found.iter().enumerate() {
        let line = String::from_utf8_lossy(line).trim_end().replace('\t', "    ");
        let mark = if first + index == wanted { MARK } else { "      " };
        let shown: String = line.chars().take(WIDTH).collect();
        let number = first + index + 1;
        let _ = writeln!(text, "{}", format!("{mark}{number:>5}  {shown}").trim_end());
    }
    Some(text)
}

/// Whether the source has been changed since the program was made.
fn is_newer(source: &Path, report: &Report, frame: &Frame) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let module = frame.module.and_then(|index| report.modules.get(usize::try_from(index).ok()?));
    let made: Option<SystemTime> = module.and_then(|module| changed(Path::new(&module.path)));
    made.is_some_and(|made| changed(source).is_some_and(|changed| changed > made))
}

/// The colour that a line of a report has on a terminal: what happened, whose stack is the crashed one, and the line that is
/// meant.
pub fn colour(index: usize, line: &str) -> Option<&'static str> {
    const RED: &str = "\x1b[1;31m";
    const BOLD: &str = "\x1b[1m";
    const YELLOW: &str = "\x1b[1;33m";
    match line {
        _ if index == 0 || line.starts_with("nosigpipe: in short: ") => Some(RED),
        _ if line.starts_with(MARK) => Some(YELLOW),
        _ if line.starts_with("stack of ") => Some(BOLD),
        _ => None,
    }
}
