//! Where the library is.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::Failure;
use crate::layout;
use crate::options::LIBRARY;
use crate::output;
use crate::platform;

/// Where the library is beside or near the executable: in a build directory; in an installation's bin and lib.
const NEAR: [&str; 3] = [".", "../lib", "../lib/nosigpipe"];

/// The absolute path of the library, which can be preloaded from there.
pub fn find(given: Option<&OsStr>) -> Result<PathBuf, Failure> {
    let path = locate(given)?;
    let exports = platform::exports(&path)
        .map_err(|problem| Failure::refused(format!("{}: not the library: {problem}", output::path(&path))))?;
    if !exports.iter().any(|name| name == layout::SYMBOL) {
        let path = output::path(&path);
        return Err(Failure::refused(format!("{path}: not the library: it does not export {}", layout::SYMBOL)));
    }
    if let Some(problem) = platform::unable_to_preload(&path) {
        return Err(Failure::refused(format!("{}: {problem}", output::path(&path))));
    }
    Ok(path)
}

fn locate(given: Option<&OsStr>) -> Result<PathBuf, Failure> {
    let from_environment = env::var_os(LIBRARY).filter(|value| !value.is_empty());
    if let Some(given) = given.map(OsStr::to_owned).or(from_environment) {
        return fs::canonicalize(&given)
            .map_err(|error| Failure::about(format_args!("library {}", output::name(&given)), &error));
    }
    let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
    let directory = executable.parent().unwrap_or(Path::new("/"));
    if is_under_cargo(directory) {
        return build(directory);
    }
    NEAR.iter()
        .map(|near| directory.join(near).join(platform::LIBRARY))
        .find_map(|path| fs::canonicalize(path).ok())
        .ok_or_else(|| {
            Failure::refused(format!(
                "{} was not found in {} or in ../lib or ../lib/nosigpipe beside it: name it by --library or {LIBRARY}",
                platform::LIBRARY,
                output::path(directory)
            ))
        })
}

/// Whether this is `cargo run` in our own package, which builds the launcher and not the library.
fn is_under_cargo(directory: &Path) -> bool {
    let is_ours = env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
    is_ours && env::var_os("CARGO_MANIFEST_DIR").is_some() && directory.join("deps").is_dir()
}

/// Has cargo build the library with the profile that the launcher was built with.
fn build(directory: &Path) -> Result<PathBuf, Failure> {
    let profile = match directory.file_name() {
        Some(name) if name == "debug" => OsStr::new("dev"),
        Some(name) => name,
        None => OsStr::new("dev"),
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--lib", "--quiet", "--message-format=json-render-diagnostics", "--profile"]).arg(profile);
    if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
        cargo.arg("--manifest-path").arg(Path::new(&package).join("Cargo.toml"));
    }
    if !directory.join(platform::LIBRARY).exists() {
        output::complain("building the library");
    }
    let result = cargo.stdin(Stdio::null()).output().map_err(|error| Failure::about("cargo build --lib", &error))?;
    if !result.status.success() {
        // Its errors are more than a line, and somebody who works on the library wants to see them.
        let _ = std::io::stderr().write_all(&result.stderr);
        return Err(Failure::refused("cargo build --lib failed"));
    }
    // One JSON message a line; the artifact's says where it is.
    String::from_utf8_lossy(&result.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            message
                .get("filenames")?
                .as_array()?
                .iter()
                .filter_map(|name| name.as_str())
                .map(PathBuf::from)
                .find(|path| path.file_name().is_some_and(|name| name == platform::LIBRARY))
        })
        .next_back()
        .ok_or_else(|| Failure::refused("cargo build --lib made no library"))
}
