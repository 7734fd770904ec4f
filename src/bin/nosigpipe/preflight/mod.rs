//! Finds out what would happen if a program were started: which file it is, which interpreters the kernel would start
//! for it, and whether the library can be loaded there.

pub mod path;
mod script;
mod targets;

pub use targets::remarks;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::exit::{Failure, NOT_EXECUTABLE, NOT_FOUND, reason};
use crate::output;
use crate::platform::{self, Image};

/// What execvp(3) and shells start for a file whose format the kernel does not know (ENOEXEC).
pub const SHELL: &str = "/bin/sh";

/// A program that can be started with the library in it.
pub struct Plan {
    /// The file to execute.
    pub file: PathBuf,
    /// The program and its interpreters: each is started by the one after it.
    pub chain: Vec<PathBuf>,
    /// Whether the kernel does not know the program's format, so that [`SHELL`] has to be executed with the file as its
    /// argument.
    pub needs_shell: bool,
    /// The last file of the chain, as read; `None` if that may be executed but not read, or is for a binfmt_misc(5)
    /// handler.
    pub image: Option<Image>,
    /// What the user should know though the program can be started; each follows the program's name and `is`.
    pub remarks: Vec<String>,
}

/// Looks at all files that starting `program` with these arguments leads to.
///
/// # Errors
/// When the program can't be started, or the library can't be loaded into it.
pub fn examine(program: &OsStr, arguments: &[OsString]) -> Result<Plan, Failure> {
    let file = path::find(program)?;
    let mut plan = Plan { file: file.clone(), chain: Vec::new(), needs_shell: false, image: None, remarks: Vec::new() };
    let mut next = Some(file);
    let mut depth = 0;
    while let Some(file) = next.take() {
        next = plan.step(&file, arguments, &mut depth)?;
    }
    Ok(plan)
}

impl Plan {
    /// Adds a file to the chain. Returns the next one; `None` if this is the last. `depth` counts the interpreters.
    fn step(&mut self, file: &Path, arguments: &[OsString], depth: &mut usize) -> Result<Option<PathBuf>, Failure> {
        self.chain.push(file.to_owned());
        let Some(head) = self.head(file)? else { return Ok(None) };
        if let Some(line) = head.strip_prefix(b"#!") {
            *depth += 1;
            if *depth > platform::MAX_INTERPRETERS {
                return Err(self.fail(NOT_EXECUTABLE, "too many interpreters of interpreters"));
            }
            let script = script::parse(line).ok_or_else(|| self.fail(NOT_EXECUTABLE, "its #! line is not valid"))?;
            path::check_interpreter(&script.interpreter).map_err(|(code, problem)| {
                self.fail(code, &format!("its interpreter {}: {problem}", output::path(&script.interpreter)))
            })?;
            if let Some(target) = script.target() {
                // The library is loaded into env(1), too, before that becomes the program.
                self.step(&script.interpreter, &[], depth)?;
                return path::find(&target).map(Some).map_err(|failure| self.fail(failure.code, &failure.message));
            }
            return Ok(Some(script.interpreter));
        }
        let image = Image::read(file).map_err(|problem| self.fail(NOT_EXECUTABLE, &problem))?;
        let Some(image) = image else { return self.unknown(&head) };
        self.program(file, image, arguments)
    }

    /// Looks at an executable file. Returns the file that it loads, if it is the loader itself.
    fn program(&mut self, file: &Path, image: Image, arguments: &[OsString]) -> Result<Option<PathBuf>, Failure> {
        // This comes first, since it holds for any content of the file: Apple's own programs are for processors
        // (arm64e) to which there are other objections.
        if let Some(rights) = platform::gained_rights(file) {
            let mut objection = format!("it is {rights}, and {} has no effect on such a program", platform::PRELOAD);
            if let (Some(script), [_, _, ..]) = (self.chain.first(), self.chain.as_slice()) {
                let script = output::path(script);
                objection += &format!("; name another interpreter: nosigpipe run -- INTERPRETER {script}");
            }
            return Err(self.refuse(&objection));
        }
        if let Some(objection) = image.objection() {
            return Err(self.refuse(&objection));
        }
        if let Some(interpreter) = image.interpreter.as_ref().filter(|name| !Path::new(name.as_str()).exists()) {
            return Err(self.fail(NOT_FOUND, &format!("its loader {interpreter} does not exist")));
        }
        self.remarks.extend(image.remark().map(str::to_owned));
        // The user may start ld.so itself: it loads the first of its arguments that is no option.
        let loaded =
            image.is_loader().then(|| arguments.iter().find(|argument| !argument.as_bytes().starts_with(b"-")));
        self.image = Some(image);
        match loaded.flatten() {
            Some(loaded) if self.chain.len() == 1 => path::find(loaded).map(Some),
            _ => Ok(None),
        }
    }

    /// Fails when the program and this library don't go together, though each could be used with others.
    pub fn fits(&self, library: &Path) -> Result<(), Failure> {
        match self.image.as_ref().and_then(|image| platform::mismatch(image, library)) {
            Some(objection) => Err(self.refuse(&objection)),
            None => Ok(()),
        }
    }

    /// What happens with a file whose format the kernel does not know: a shell runs it, or nothing does.
    fn unknown(&mut self, head: &[u8]) -> Result<Option<PathBuf>, Failure> {
        // As bash decides: a zero byte in the first line means that it is no text.
        let first_line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if first_line.contains(&0) {
            // A handler of binfmt_misc(5) may know it; else the kernel will refuse it.
            return Ok(None);
        }
        self.needs_shell |= self.chain.len() == 1;
        Ok(Some(SHELL.into()))
    }

    /// The first bytes of a file, as many as the kernel reads; `None` when it may be executed but not read.
    fn head(&self, file: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let kind = fs::metadata(file).map(|file| file.file_type());
        if kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device() || kind.is_block_device()) {
            return Err(self.fail(NOT_EXECUTABLE, "not a regular file"));
        }
        let mut head = Vec::new();
        match File::open(file).and_then(|opened| opened.take(platform::SHEBANG_MAX as u64).read_to_end(&mut head)) {
            Ok(_) => Ok(Some(head)),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(self.fail(NOT_EXECUTABLE, &reason(&error))),
        }
    }

    /// The failure for a program into which the library can't be loaded.
    fn refuse(&self, objection: &str) -> Failure {
        self.fail(crate::exit::REFUSED, objection)
    }

    /// A failure that names the whole chain, so that one sees how the file in question was reached.
    fn fail(&self, code: u8, problem: &str) -> Failure {
        let names: Vec<_> = self.chain.iter().map(|file| output::path(file)).collect();
        let who = names.join(", run by ");
        let problem = match problem.split_once(' ') {
            Some(("it", rest)) if names.len() > 1 => format!("the latter {rest}"),
            Some(("its", rest)) if names.len() > 1 => format!("the latter's {rest}"),
            _ => problem.to_owned(),
        };
        Failure::new(code, format!("{who}: {problem}"))
    }
}
