//! Where the report goes.

use crate::platform;
use alloc::format;
use alloc::string::{String, ToString};
use core::sync::atomic::Ordering::Relaxed;

use runtime::crash::reporter::{DRAFT, progress};
use runtime::crash::{header, incident, program};
use wording::line::Shown;
use wording::words;

/// Characters of a path that are shown, at most (PATH_MAX).
const MOST: usize = 4096;

/// The program's name, with which the names of its reports begin: without characters that a terminal would obey, since the name of
/// a report is shown as it is.
pub fn program_in_names() -> String {
    Shown(program(), MOST).to_string()
}

/// The file name of this process' report, but for what says its format.
pub fn name_without_ending(time: &str) -> String {
    format!("{}.{}.{time}.", program_in_names(), incident().pid)
}

/// The report's file name.
fn file_name(ending: &str, time: &str) -> String {
    name_without_ending(time) + ending
}

/// The name of the draft of a report with this name.
fn draft_of(name: &str) -> String {
    format!("{}{name}{}", DRAFT.0, DRAFT.1)
}

/// Standard error as it was at load.
pub struct Output {
    /// Its descriptor; negative where there is none.
    stderr: i32,
    /// Whether it is a terminal that wants colours.
    has_colours: bool,
}

impl Output {
    pub fn new(stderr: i32) -> Self {
        Self { stderr, has_colours: stderr >= 0 && platform::has_colours(stderr) }
    }

    /// Writes lines of a report to standard error; in colours on a terminal.
    pub fn say_lines(&self, text: &str) {
        if !self.has_colours {
            return self.say(text);
        }
        let mut coloured = String::new();
        for line in text.lines() {
            match report::source::colour(line) {
                Some(start) => coloured.extend([start, line, "\x1b[m\n"]),
                None => coloured.extend([line, "\n"]),
            }
        }
        self.say(&coloured);
    }

    /// Writes to standard error, as long as somebody reads there.
    pub fn say(&self, text: &str) {
        header::say_on(self.stderr, text.as_bytes());
    }

    /// Whether nobody reads there.
    pub fn is_unread(&self) -> bool {
        self.stderr < 0 || platform::is_null(self.stderr)
    }

    /// Says that a report could not be written to one of its targets, and why (an errno).
    pub fn complain(&self, target: &str, error: i32) {
        let target = Shown(target.as_bytes(), MOST);
        self.say(&format!("nosigpipe: no report could be written to {target}: {}\n", words::error(error)));
    }

    /// Writes what is known so far into the directory for reports, where the crashed process finds it if the report can't be finished.
    pub fn keep_draft(&self, directory: &str, ending: &str, time: &str, text: &str) {
        let name = file_name(ending, time);
        if let Some(progress) = progress()
            && platform::write_file(directory, &draft_of(&name), text.as_bytes()).is_ok()
        {
            progress.note_draft(name.as_bytes());
        }
    }

    /// Writes the report into the directory for reports, removes its draft and says where the report is; whether that worked.
    pub fn save(&self, directory: &str, ending: &str, time: &str, text: &str) -> bool {
        let name = file_name(ending, time);
        let result = platform::write_file(directory, &name, text.as_bytes());
        if result.is_ok()
            && let Some(progress) = progress()
            && progress.draft_length.load(Relaxed) != 0
        {
            progress.note_draft(b"");
            platform::remove_report(directory, &draft_of(&name));
        }
        match result {
            Ok(()) => self.say(&format!("nosigpipe: the report is in {}/{name}\n", Shown(directory.as_bytes(), MOST))),
            Err(error) => self.complain(directory, error),
        }
        result.is_ok()
    }
}
