//! What scripts/install-test-deps has put beside the system's own packages.

use std::env;
use std::path::PathBuf;

/// The directory that scripts/install-test-deps installs into.
pub fn test_deps() -> PathBuf {
    let given = env::var_os("NOSIGPIPE_TEST_DEPS").map(PathBuf::from);
    let cache = || {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        cache.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache"))
    };
    given.unwrap_or_else(|| cache().join("nosigpipe-tests"))
}

/// The Python environment in it.
pub fn python_environment() -> PathBuf {
    let venv = test_deps().join("venv");
    assert!(venv.join("bin/python").exists(), "{} is not there: run scripts/install-test-deps", venv.display());
    venv
}
