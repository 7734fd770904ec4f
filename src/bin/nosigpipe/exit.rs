//! Exit codes, and how a command fails.

use std::fmt::Display;

/// Done, and the answer is good.
pub const OK: u8 = 0;
/// nosigpipe itself failed, was used wrongly, or refused to start the program. env(1), nohup(1) and timeout(1) use the
/// same three codes.
pub const REFUSED: u8 = 125;
/// The program was found and can't be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The program was not found.
pub const NOT_FOUND: u8 = 127;

/// `demo`: it did not go as promised.
pub const DEMO_FAILED: u8 = 1;

/// `doctor`: something that should work does not. `try`: with the library, the server did not survive or does not
/// answer.
pub const NOT_WELL: u8 = 1;

/// `status`: the library is loaded but does not act.
pub const NOT_ACTING: u8 = 1;
/// `status`: the library is not loaded.
pub const NOT_LOADED: u8 = 2;
/// `status`, `stack`: no such process.
pub const NO_PROCESS: u8 = 3;
/// `status`, `stack`: no permission to look into the process.
pub const NO_PERMISSION: u8 = 4;
/// `status`: the library in the process is of a version that this launcher does not know.
pub const UNKNOWN_VERSION: u8 = 5;

/// Every exit code, as help and man page show it.
pub const TABLE: [(&str, &str); 13] = [
    ("run", "the program's own, since nosigpipe becomes the program; otherwise:"),
    ("125", "nosigpipe failed, was used wrongly, or refused to start the program and said why"),
    ("126", "the program was found but can't be executed"),
    ("127", "the program, or the interpreter that it names, was not found"),
    ("check", "0 if run would start the program, or the code that run would end with"),
    ("status", "0 the library is in force; 1 it is loaded but does not act; 2 it is not loaded"),
    ("", "3 no such process; 4 no permission to look; 5 the library there is of an unknown version"),
    ("stack", "0; of the first process that could not be looked into: 3 there is none, 4 no permission"),
    ("doctor", "0 the library works here; 1 it does not, or something that it should do does not"),
    ("try", "0 with the library it survived and answers; 1 it did not"),
    ("demo", "0 it went as promised; 1 it did not"),
    ("others", "0, or 125"),
    ("", "125 also for every command that was used wrongly"),
];

/// Why a command failed: one line for standard error, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// The line, without `nosigpipe: ` before it.
    pub message: String,
}

impl Failure {
    /// A failure with a code of its own.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// nosigpipe can't do what was asked for, or refuses to ([`REFUSED`]).
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(REFUSED, message)
    }

    /// The same after a failed system call. `subject` names what the call was about, such as a file.
    pub fn about(subject: impl Display, error: &std::io::Error) -> Self {
        Self::refused(format!("{subject}: {}", reason(error)))
    }
}

/// An error's message without the number that std appends, ` (os error 2)`, and with a small first letter, to stand
/// behind a colon.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}
