//! Reads #! lines as the kernel does, and finds the program that env(1) starts, which most of them name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::platform::{SHEBANG_MAX, SPLITS_SHEBANG_ARGUMENTS};

/// What a #! line says.
pub struct Script {
    /// The interpreter's path, as the line has it; a relative one is relative to the current directory.
    pub interpreter: PathBuf,
    /// The rest of the line, without blanks around it.
    argument: Option<OsString>,
}

/// Reads what follows `#!` in the first bytes of a file. `None` where the kernel fails with ENOEXEC.
pub fn parse(head: &[u8]) -> Option<Script> {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let end = head.iter().position(|&byte| byte == b'\n' || SPLITS_SHEBANG_ARGUMENTS && byte == b'#');
    let line = head.get(..end.unwrap_or(head.len()))?;
    let line = line.split(|&byte| byte == 0).next()?;
    let line = line.get(line.iter().position(|byte| !is_blank(byte))?..)?;
    let name_end = line.iter().position(is_blank);
    if end.is_none() && name_end.is_none() && head.len() + 2 >= SHEBANG_MAX {
        // The interpreter's name may be longer than what the kernel reads: it does not execute a part of it
        // (load_script in Linux's fs/binfmt_script.c).
        return None;
    }
    let (name, rest) = line.split_at(name_end.unwrap_or(line.len()));
    let rest = rest.trim_ascii();
    Some(Script {
        interpreter: PathBuf::from(OsStr::from_bytes(name)),
        argument: (!rest.is_empty()).then(|| OsStr::from_bytes(rest).to_owned()),
    })
}

impl Script {
    /// The program that env(1) will start, if that is the interpreter and names one.
    pub fn target(&self) -> Option<OsString> {
        if self.interpreter.file_name()? != "env" {
            return None;
        }
        let argument = self.argument.as_ref()?.as_bytes();
        // Where the kernel does not split the argument, env(1) gets it as one word, and splits it itself with -S.
        let words: Vec<&[u8]> = match argument.strip_prefix(b"-S").or(argument.strip_prefix(b"--split-string=")) {
            Some(words) => words.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect(),
            None if SPLITS_SHEBANG_ARGUMENTS => {
                argument.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect()
            }
            None => vec![argument],
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if matches!(word, b"-u" | b"--unset" | b"-C" | b"--chdir") {
                words.next();
            } else if !word.starts_with(b"-") && !word.contains(&b'=') {
                return Some(OsStr::from_bytes(word).to_owned());
            }
        }
        None
    }
}
