//! A directory of a test's own that every user can look into, and what the tests put there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use harness::{Subject, bare, compile, launcher, library, root};

/// A user who owns nothing.
const NOBODY: u32 = 65534;

/// Removed when dropped.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("nosigpipe-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        // As the kernel tells paths: without symbolic links.
        Self { path: path.canonicalize().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file with this content and mode; directories on the way are made.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Not by fs::write: while we had it open for writing, another test's fork could take the open descriptor with it
        // to its exec, until which nobody can execute the file (ETXTBSY).
        let write = bare("sh").args(["-c", "cat >\"$0\""]).arg(&path).stdin(content.as_ref());
        write.run().assert_silent_success();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// An executable text file.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        self.file(name, text, 0o755)
    }

    pub fn copy(&self, from: impl AsRef<Path>, name: &str) -> PathBuf {
        self.file(name, fs::read(from).unwrap(), 0o755)
    }

    /// A C program, or with `-shared` a library, of this text.
    pub fn compile(&self, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let file = self.file(&format!("{name}.c"), source, 0o644);
        let program = self.path(name);
        bare("gcc").args(flags).arg("-o").arg(&program).arg(file).run().assert_silent_success();
        program
    }

    /// The launcher and the library in these places.
    pub fn install(&self, bin: &str, lib: &str) -> PathBuf {
        self.copy(library(), &format!("{lib}/libnosigpipe.so"));
        self.copy(launcher(), &format!("{bin}/nosigpipe"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// tests/programs/hello.c with these flags.
pub fn hello(flags: &[&str]) -> PathBuf {
    compile(&root().join("tests/programs/hello.c"), flags)
}

/// `nosigpipe`, with arguments to come.
pub fn nosigpipe() -> Subject {
    bare(launcher())
}

/// Another user than root, if we are root: where setuid makes a difference.
pub fn as_nobody(subject: Subject) -> Subject {
    subject.command(|command| {
        command.uid(NOBODY).gid(NOBODY);
    })
}

pub fn is_root() -> bool {
    // SAFETY: it only answers.
    unsafe { libc::geteuid() == 0 }
}

/// Exit code, no output, and exactly this one line on standard error.
#[track_caller]
pub fn assert_refused(subject: Subject, code: i32, line: &str) {
    let outcome = subject.run();
    outcome.assert_code(code).assert_stdout("");
    assert_eq!(outcome.stderr(), format!("nosigpipe: {line}\n"));
}
