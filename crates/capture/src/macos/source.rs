//! Source files and colours, of which reports have none here: a report is written in the crashed thread, and a file that keeps it
//! waiting would keep the process from its end. `nosigpipe report` shows both.

use libc::c_int;
use report::source::Source;

/// None.
pub fn source(_file: &str, _line: u64, _module: &str) -> Option<Source> {
    None
}

/// Never.
pub fn has_colours(_fd: c_int) -> bool {
    false
}
