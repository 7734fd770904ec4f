//! The programs, compiled in two ways, and the lines in them that are marked.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use harness::{compile, root, target};

/// Every program is judged in both.
pub static BUILDS: [(&str, &[&str]); 2] =
    [("O1", &["-O1", "-fno-omit-frame-pointer", "-w"]), ("O2", &["-O2", "-fomit-frame-pointer", "-w"])];

/// A program or library of the zoo, built in one of the ways. They do wrong on purpose: no warnings.
pub fn build(name: &str, flags: &[&str]) -> PathBuf {
    let rust = directory().join(format!("{name}.rs"));
    if rust.exists() {
        return build_rust(&rust, flags);
    }
    let source = ["c", "cpp"].map(|extension| directory().join(format!("{name}.{extension}")));
    let source = source.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {name}.c or {name}.cpp"));
    compile(source, flags)
}

/// The same in Rust, by cargo's own compiler; a panic aborts.
fn build_rust(source: &Path, flags: &[&str]) -> PathBuf {
    // Several of the program's cases may be here at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().expect("nobody panics with it");
    let (level, pointers) = if flags.contains(&"-O1") { ("1", "yes") } else { ("2", "no") };
    let directory = target().join("programs/zoo");
    let binary = directory.join(format!("rust-O{level}"));
    let age = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    if age(&binary) > age(source) {
        return binary;
    }
    fs::create_dir_all(&directory).expect("target can be written to");
    let unfinished = binary.with_extension("unfinished");
    let compiler = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let status = Command::new(compiler)
        .args(["--edition=2024", "-g", "-Cpanic=abort", "-Awarnings", "-o"])
        .args([&unfinished, &source.to_owned()])
        .arg(format!("-Copt-level={level}"))
        .arg(format!("-Cforce-frame-pointers={pointers}"))
        .status()
        .expect("rustc starts");
    assert!(status.success(), "{} does not compile", source.display());
    fs::rename(&unfinished, &binary).expect("the binary can be renamed");
    binary
}

/// What a comment says about its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Where it dies; if a word follows, only in ways that begin with it.
    Crash(String),
    /// Where a call on the way there is.
    Call,
}

/// The marked lines of all files, by the file's name.
pub fn marks() -> &'static HashMap<String, Vec<(u64, Mark)>> {
    static MARKS: OnceLock<HashMap<String, Vec<(u64, Mark)>>> = OnceLock::new();
    MARKS.get_or_init(|| {
        let files =
            fs::read_dir(directory()).expect("the zoo is there").map(|entry| entry.expect("it can be read").path());
        let text = |path: &PathBuf| fs::read_to_string(path).expect("it is text");
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.map(|path| (name(&path), text(&path).lines().zip(1..).flat_map(marks_of_line).collect())).collect()
    })
}

fn marks_of_line((line, number): (&str, u64)) -> Vec<(u64, Mark)> {
    let comments = line.split("/* ").skip(1).filter_map(|rest| rest.split(" */").next());
    let marks = comments.filter_map(|comment| match comment.split_once(' ').unwrap_or((comment, "")) {
        ("CRASH", way) => Some(Mark::Crash(way.to_owned())),
        ("CALL", "") => Some(Mark::Call),
        _ => None,
    });
    marks.map(|mark| (number, mark)).collect()
}

fn directory() -> PathBuf {
    root().join("tests/programs/zoo")
}
