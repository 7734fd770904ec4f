//! Where the report goes.

use crate::crash::handler::incident;
use crate::crash::program;
use crate::platform;

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
        platform::write_until(
            self.stderr,
            text.as_bytes(),
            incident().patience.max(platform::nanoseconds() + PATIENCE),
        );
    }

    /// Writes a file of its own into the report directory and says where; whether that worked.
    pub fn save(&self, directory: &[u8], ending: &str, time: &str, text: &str) -> bool {
        let directory = String::from_utf8_lossy(directory);
        let program = String::from_utf8_lossy(program());
        let name = format!("{program}.{}.{time}.{ending}", incident().pid);
        let path = format!("{directory}/{name}");
        let saved = platform::write_file(&format!("{directory}/.{name}.tmp\0"), &format!("{path}\0"), text.as_bytes());
        self.say(&if saved {
            format!("nosigpipe: the report is in {path}\n")
        } else {
            format!("nosigpipe: no report could be written to {directory}\n")
        });
        saved
    }
}

/// How long each write may wait for the reader of standard error.
const PATIENCE: u64 = 500_000_000;
