//! Directories for what programs leave behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{bare, launcher, library, target};

/// A new directory, removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    #[expect(clippy::new_without_default, reason = "each one is another directory")]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = target().join("scratch").join(name);
        fs::create_dir_all(&path).expect("target can be written to");
        Self(path)
    }

    /// A new directory with the launcher and the library in it, where a release has them.
    pub fn with_release() -> Self {
        let new = Self::new();
        for (from, to) in [(launcher(), "bin/nosigpipe"), (library(), "lib/nosigpipe/libnosigpipe.so")] {
            fs::create_dir_all(new.path().join(to).parent().expect("it has a folder"))
                .expect("target can be written to");
            new.copy(from, to);
        }
        new
    }

    /// A copy of a program, under this name. Not by `fs::copy`: while it was open for writing, another thread's fork could take the descriptor
    /// along to its exec, until which nobody can execute the file (ETXTBSY).
    pub fn copy(&self, from: &Path, name: impl AsRef<Path>) -> PathBuf {
        let to = self.0.join(name);
        bare("cp").arg(from).arg(&to).run().assert_silent_success();
        to
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What is in it.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).expect("the directory is there");
        entries.map(|entry| entry.expect("it can be read").path()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A directory that can't be removed takes up space, and makes no test wrong.
        let _ = fs::remove_dir_all(&self.0);
    }
}
