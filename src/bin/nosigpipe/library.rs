//! Finds the library that is to be preloaded.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::exit::Failure;
use crate::output;
use crate::platform;
use settings::layout;
use settings::options::LIBRARY;

/// Where the library may be, relative to the executable's directory: in the same one, as in cargo's build directory, or
/// in the lib beside an installation's bin. `platform::NEAR` has what one system adds.
const NEAR: [&str; 3] = [".", "../lib", "../lib/nosigpipe"];

/// A library that can be preloaded.
pub struct Library {
    /// Its file.
    pub path: PathBuf,
    /// Its entry in the loader's variable: the file's absolute path, or the name that the user gave where that has
    /// tokens in it that the loader replaces, such as `$LIB`.
    pub entry: OsString,
    /// How it was found, for messages.
    pub named_by: &'static str,
}

/// Finds the library by `given`, which is the value of --library, else by the variable NOSIGPIPE_LIBRARY, else near the
/// executable.
///
/// # Errors
/// When there is none, or it can't be preloaded.
pub fn find(given: Option<&OsStr>) -> Result<Library, Failure> {
    let library = locate(given)?;
    check(&library.path)?;
    if let Some(problem) = platform::unable_to_preload(&library.entry, &library.path) {
        return Err(Failure::refused(format!("{}: {problem}", output::name(&library.entry))));
    }
    Ok(library)
}

/// Fails when this file is not the library.
pub fn check(path: &Path) -> Result<(), Failure> {
    let exports = platform::exports(path)
        .map_err(|problem| Failure::refused(format!("{}: not the library: {problem}", output::path(path))))?;
    if !exports.iter().any(|name| name == layout::SYMBOL) {
        let path = output::path(path);
        return Err(Failure::refused(format!("{path}: not the library: it does not export {}", layout::SYMBOL)));
    }
    Ok(())
}

/// Where the library is looked for, from the executable's directory, in this order.
pub fn near() -> impl Iterator<Item = &'static str> {
    NEAR.iter().chain(platform::NEAR).copied()
}

/// Every file near the executable that may be the library, in the order in which they are tried.
pub fn candidates() -> Result<Vec<PathBuf>, Failure> {
    let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
    let directory = executable.parent().unwrap_or(Path::new("/"));
    Ok(near().map(|near| directory.join(near).join(platform::LIBRARY)).collect())
}

/// Finds the library's file, and does not look into it yet.
fn locate(given: Option<&OsStr>) -> Result<Library, Failure> {
    let from_environment = || env::var_os(LIBRARY).filter(|value| !value.is_empty());
    let given = given.map(|given| (given.to_owned(), "--library"));
    if let Some((given, named_by)) = given.or_else(|| from_environment().map(|value| (value, LIBRARY))) {
        return named(given, named_by);
    }
    let executable = env::current_exe().map_err(|error| Failure::about("own executable", &error))?;
    let directory = executable.parent().unwrap_or(Path::new("/"));
    let found = |path: PathBuf, named_by| Library { entry: path.clone().into_os_string(), path, named_by };
    if is_under_cargo(directory) {
        return build(directory).map(|path| found(path, "built by cargo"));
    }
    let path = candidates()?.into_iter().find_map(|path| fs::canonicalize(path).ok());
    path.map(|path| found(path, "found near nosigpipe")).ok_or_else(|| {
        let near: Vec<_> = near().skip(1).collect();
        let by_cargo = if is_installed_by_cargo(directory) { INSTALLED_BY_CARGO } else { "" };
        Failure::refused(format!(
            "{} was not found in {}, nor from there in {}: name it by --library or {LIBRARY}{by_cargo}",
            platform::LIBRARY,
            output::path(directory),
            near.join(", "),
        ))
    })
}

/// A library that the user has named. The loader replaces tokens such as `$LIB` in every program anew: they stay in the
/// entry and are only replaced in the path.
fn named(given: OsString, named_by: &'static str) -> Result<Library, Failure> {
    let subject = || format!("library {}", output::name(&given));
    let canonical = |path: &OsStr| fs::canonicalize(path).map_err(|error| Failure::about(subject(), &error));
    match platform::expand(&given) {
        // If there is a file whose name really has the dollar sign in it, that one is meant.
        Ok(Some(path)) if !Path::new(&given).exists() => {
            if !Path::new(&given).is_absolute() {
                return Err(Failure::refused(format!("{}: it must be an absolute path", subject())));
            }
            Ok(Library { path: canonical(&path)?, entry: given, named_by })
        }
        Err(problem) => Err(Failure::refused(format!("{}: {problem}", subject()))),
        Ok(_) => canonical(&given).map(|path| Library { entry: path.clone().into_os_string(), path, named_by }),
    }
}

/// Whether this is `cargo run` in our own package, which builds the launcher and not the library.
fn is_under_cargo(directory: &Path) -> bool {
    let is_ours = env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == env!("CARGO_PKG_NAME"));
    is_ours && env::var_os("CARGO_MANIFEST_DIR").is_some() && directory.join("deps").is_dir()
}

/// The end of the error message where nosigpipe was installed by cargo, which installs no libraries.
const INSTALLED_BY_CARGO: &str = "; cargo install brings programs only, so build the library in nosigpipe's source by \
                                  cargo build --release --lib and put it beside nosigpipe, or install a package instead";

/// Whether `cargo install` puts programs into this directory: in the one above it, cargo lists what it has installed.
fn is_installed_by_cargo(directory: &Path) -> bool {
    directory.parent().is_some_and(|root| root.join(".crates2.json").exists() || root.join(".crates.toml").exists())
}

/// Has cargo build the library with the launcher's own profile, after which cargo has named the directory; that of the
/// profile dev is `debug`.
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
    // cargo prints one JSON message a line; that of the library has its file's name.
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
