//! The release artefacts. `cargo test` does not build a cdylib, so cargo is asked for it, once per test process.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The package's root directory.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/harness is two below the root").into()
    })
}

/// Where the tests may put what they build: cargo's own target directory, which the test itself runs from.
pub fn target() -> PathBuf {
    let test = env::current_exe().expect("a process knows its program");
    test.ancestors().nth(3).expect("target/debug/deps/TEST").into()
}

/// The release library: NOSIGPIPE_TEST_LIBRARY, or the one that cargo builds.
pub fn library() -> &'static Path {
    &artefacts().library
}

/// The release launcher: NOSIGPIPE_TEST_LAUNCHER, or the one that cargo builds.
pub fn launcher() -> &'static Path {
    &artefacts().launcher
}

struct Artefacts {
    library: PathBuf,
    launcher: PathBuf,
}

fn artefacts() -> &'static Artefacts {
    static ARTEFACTS: OnceLock<Artefacts> = OnceLock::new();
    ARTEFACTS.get_or_init(|| {
        let given = |name| env::var_os(name).map(|path| PathBuf::from(path).canonicalize().expect(name));
        let (library, launcher) = (given("NOSIGPIPE_TEST_LIBRARY"), given("NOSIGPIPE_TEST_LAUNCHER"));
        if let (Some(library), Some(launcher)) = (&library, &launcher) {
            return Artefacts { library: library.clone(), launcher: launcher.clone() };
        }
        let built = build();
        Artefacts { library: library.unwrap_or(built.library), launcher: launcher.unwrap_or(built.launcher) }
    })
}

fn build() -> Artefacts {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let build = Command::new(cargo)
        .args(["build", "--release", "--lib", "--bins", "--message-format=json-render-diagnostics"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(build.status.success(), "cargo build --release failed");

    let messages = String::from_utf8(build.stdout).expect("cargo prints UTF-8");
    let artefact = |kind: &str, field: &str| {
        messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| {
                message["reason"] == "compiler-artifact"
                    && message["target"]["name"] == "nosigpipe"
                    && message["target"]["kind"][0] == kind
            })
            .find_map(|message| message[field].as_str().or(message[field][0].as_str()).map(PathBuf::from))
            .unwrap_or_else(|| panic!("cargo names no {kind}"))
    };
    Artefacts { library: artefact("cdylib", "filenames"), launcher: artefact("bin", "executable") }
}
