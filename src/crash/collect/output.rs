//! Where the report goes.

use crate::crash::handler::incident;
use crate::crash::{header, program};
use crate::platform;
use wording::line::Shown;
use wording::words;

/// Standard error, by whatever number the snapshot has it.
pub struct Output {
    stderr: i32,
}

impl Output {
    pub fn new(stderr: i32) -> Self {
        Self { stderr }
    }

    /// Writes to standard error, as long as somebody reads there.
    pub fn say(&self, text: &str) {
        header::say_on(self.stderr, text.as_bytes());
    }

    /// Writes a file of its own into the report directory and says where; whether that worked.
    pub fn save(&self, directory: &[u8], ending: &str, time: &str, text: &str) -> bool {
        const MOST: usize = 4096;
        // The file is called what is said that it is called, and that can be typed.
        let name = format!("{}.{}.{time}.{ending}", Shown(program(), MOST), incident().pid);
        let shown = Shown(directory, MOST);
        let directory = String::from_utf8_lossy(directory);
        let result = platform::write_file(&directory, &name, text.as_bytes());
        self.say(&match result {
            Ok(()) => format!("nosigpipe: the report is in {shown}/{name}\n"),
            Err(error) => {
                let error = words::error(error);
                format!("nosigpipe: no report could be written to {shown}: {error}\n")
            }
        });
        result.is_ok()
    }
}
