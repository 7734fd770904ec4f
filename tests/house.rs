//! The house is as docs/ARCHITECTURE.md draws it: a crate knows only those below it, and what a hook or a signal handler can
//! reach can't allocate or lock, since that does not compile.

#![expect(clippy::expect_used, reason = "what cannot be set up has failed the test")]

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::root;
use serde_json::Value;

/// Which crates of ours a crate's code may depend on. What only tests use is free.
const MAY_KNOW: [(&str, &[&str]); 14] = [
    ("policy", &[]),
    ("hooktable", &[]),
    ("exchange", &[]),
    ("settings", &[]),
    ("wording", &[]),
    ("symbols", &[]),
    ("processor", &[]),
    ("formats", &[]),
    ("unwind", &["formats", "processor"]),
    ("python", &["unwind"]),
    ("report", &["wording"]),
    ("runtime", &["exchange", "formats", "hooktable", "policy", "processor", "settings", "wording"]),
    ("capture", &["formats", "processor", "python", "report", "runtime", "settings", "symbols", "unwind", "wording"]),
    (
        "nosigpipe",
        &[
            "capture",
            "formats",
            "hooktable",
            "processor",
            "python",
            "report",
            "runtime",
            "settings",
            "symbols",
            "unwind",
            "wording",
        ],
    ),
];

/// `cargo metadata` on the workspace.
fn packages() -> Vec<Value> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"];
    let output = cargo().args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    list(&metadata, "packages").clone()
}

fn list<'a>(object: &'a Value, key: &str) -> &'a Vec<Value> {
    object.get(key).and_then(Value::as_array).expect("a list of this name")
}

fn name(object: &Value) -> &str {
    object.get("name").and_then(Value::as_str).expect("a name")
}

fn cargo() -> Command {
    Command::new(env!("CARGO"))
}

#[test]
fn each_crate_knows_only_those_below_it() {
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(name).collect();
    for package in packages.iter().filter(|package| !["fuzzed", "harness"].contains(&name(package))) {
        let user = name(package);
        let (_, allowed) =
            MAY_KNOW.iter().find(|(known, _)| *known == user).unwrap_or_else(|| panic!("{user}: whom may it know?"));
        for dependency in list(package, "dependencies") {
            let is_for_tests = dependency.get("kind").is_some_and(|kind| kind == "dev");
            let other = name(dependency);
            assert!(is_for_tests || !ours.contains(&other) || allowed.contains(&other), "{user} depends on {other}");
        }
    }
}

/// The modules of `runtime`, from below to above: each may name those before it. `sigpipe` and `crash` do not know each other.
const MODULES: [(&str, &[&str]); 8] = [
    ("arch", &[]),
    ("state", &[]),
    ("platform", &["arch"]),
    ("signals", &["platform"]),
    ("sigpipe", &["arch", "platform", "signals", "state"]),
    ("crash", &["arch", "platform", "signals", "state"]),
    ("fork", &["crash", "platform", "sigpipe"]),
    ("hooks", &["arch", "crash", "fork", "platform", "signals", "sigpipe", "state"]),
];

/// The files of `crash`, from below to above; `mod.rs` knows all of them.
const CRASH: [&str; 14] = [
    "settings",
    "reporter",
    "returns",
    "child",
    "incident",
    "ownership",
    "header",
    "raw",
    "death",
    "copy",
    "stacks",
    "vm_child",
    "handler",
    "mod",
];

/// Names that follow this word and `::` in a source text, comments left out: `super::a` and `super::{a, b::c}`.
fn named_after(word: &str, text: &str) -> Vec<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, found) in code.match_indices(&format!("{word}::")) {
        if code[..at].ends_with(is_part) || code[..at].ends_with("super::") {
            continue;
        }
        let rest = &code[at + found.len()..];
        // The first name of each path; what stands in inner braces belongs to the name before them.
        let (mut depth, mut path) = (0, String::new());
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 1 && c != ',' => path.push(c),
                _ if depth == 0 && is_part(c) => path.push(c),
                _ => {}
            }
            if depth == 0 && !is_part(c) || depth == 1 && c == ',' {
                names.push(path.trim().split(|c| !is_part(c)).next().unwrap_or_default().to_owned());
                path.clear();
            }
            if depth == 0 && !is_part(c) {
                break;
            }
        }
    }
    names
}

/// What a file of `runtime` names that it may not know; `path` begins in `src`.
fn upward(path: &str, text: &str) -> Vec<String> {
    let (room, file) = path.split_once('/').unwrap_or((path.trim_end_matches(".rs"), ""));
    let mut found = Vec::new();
    if room != "lib" {
        let (_, may_know) = MODULES.iter().find(|(name, _)| *name == room).expect("MODULES names the module");
        let is_known =
            |name: &str| !MODULES.iter().any(|(room, _)| *room == name) || may_know.contains(&name) || name == room;
        found.extend(
            named_after("crate", text)
                .into_iter()
                .filter(|name| !is_known(name))
                .map(|name| format!("{path} names {name}")),
        );
    }
    if room == "crash" {
        let rank = |name: &str| CRASH.iter().position(|file| *file == name);
        let own = rank(file.trim_end_matches(".rs")).expect("CRASH names the file");
        let names = named_after("super", text).into_iter().chain(named_after("crate::crash", text));
        found.extend(
            names.filter(|name| rank(name).is_none_or(|rank| rank > own)).map(|name| format!("{path} names {name}")),
        );
    }
    found
}

#[test]
fn each_module_of_the_runtime_knows_only_those_below_it() {
    let source = root().join("crates/runtime/src");
    let mut folders = vec![source.clone()];
    let (mut found, mut files) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                let name = path.strip_prefix(&source).expect("a part of it").to_string_lossy().into_owned();
                found.extend(upward(&name, &fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    assert!(files > 50, "only {files} files were read");
    assert_eq!(found, [""; 0]);
}

#[test]
fn an_arrow_that_runs_up_is_seen() {
    for (path, text) in [
        ("arch/x86_64/mod.rs", "use crate::platform;"),
        ("platform/linux/action.rs", "use crate::hooks::real;"),
        ("platform/linux/action.rs", "use crate::arch;\nuse crate::{\n    arch, signals::{Owned, Request},\n};"),
        ("sigpipe/children.rs", "fn forked() { crate::crash::adopt_forked_child() }"),
        ("crash/death.rs", "use crate::sigpipe::SIGNAL;"),
        ("crash/header.rs", "use super::handler::address;"),
        ("crash/incident.rs", "use super::{settings, copy};"),
        ("crash/header.rs", "use crate::crash::handler;"),
        ("crash/header.rs", "use super::{incident::{Incident, incident}, handler};"),
    ] {
        assert!(!upward(path, text).is_empty(), "{path}: {text}");
    }
    for (path, text) in [
        ("platform/linux/action.rs", "use crate::arch; // not crate::hooks"),
        ("hooks/socket.rs", "use super::real;\nuse crate::platform::{self, Action};"),
        ("crash/handler.rs", "use super::{copy, incident::Incident};"),
    ] {
        assert_eq!(upward(path, text), [""; 0], "{path}: {text}");
    }
}

/// Files outside of `arch` and of the crate `processor` that name one: for a number of its ABI, the launcher's names of its loader
/// and folders, and macOS, whose kernel has structures of its own for each.
const NAME_A_PROCESSOR: [&str; 20] = [
    "crates/capture/src/linux/exception.rs",
    "crates/capture/src/macos/threads.rs",
    "crates/capture/src/macos/unwind.rs",
    "crates/python/src/lib.rs",
    "crates/runtime/src/hooks/linux/calls.rs",
    "crates/runtime/src/platform/linux/abort.rs",
    "crates/runtime/src/platform/linux/mask.rs",
    "crates/runtime/src/platform/linux/mod.rs",
    "crates/runtime/src/platform/macos/fault.rs",
    "crates/runtime/src/platform/macos/memory.rs",
    "crates/runtime/src/platform/macos/mod.rs",
    "crates/runtime/src/platform/macos/thread.rs",
    "crates/symbols/src/values/show/numbers.rs",
    "crates/unwind/src/unwinder.rs",
    "src/bin/nosigpipe/platform/linux/elf.rs",
    "src/bin/nosigpipe/platform/linux/mod.rs",
    "src/bin/nosigpipe/platform/linux/stacks/call.rs",
    "src/bin/nosigpipe/platform/linux/stacks/mod.rs",
    "src/bin/nosigpipe/platform/linux/words.rs",
    "src/bin/nosigpipe/platform/macos/mod.rs",
];

#[test]
fn a_processor_is_named_where_the_architecture_says() {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates"), root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root()).expect("a part of it").to_string_lossy().into_owned();
            if ["crates/runtime/src/arch", "crates/processor"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs")
                && fs::read_to_string(&path).expect("a source file").contains("target_arch = ")
            {
                found.push(name);
            }
        }
    }
    found.sort();
    assert_eq!(found, NAME_A_PROCESSOR);
}

/// Whether a name stands in a text as a word.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text.split_at(at).0, text.split_at(at + word.len()).1);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// A text without its comments: those of C and Rust, or of Python. (What looks like one in a string goes, too.)
fn code(text: &str, kind: &str) -> String {
    let mark = if kind == "py" { "#" } else { "//" };
    let (mut code, mut rest) = (String::new(), text);
    while kind != "py"
        && let Some((before, comment)) = rest.split_once("/*")
    {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, behind)| behind);
    }
    code.push_str(rest);
    code.lines().map(|line| line.split(mark).next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The code in a folder's files of these kinds.
fn sources(folder: &Path, kinds: &[&str]) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&sources(&path, kinds));
        } else if let Some(kind) = path.extension().and_then(|kind| kind.to_str()).filter(|kind| kinds.contains(kind)) {
            text.push_str(&code(&fs::read_to_string(&path).unwrap_or_default(), kind));
        }
    }
    text
}

#[test]
fn a_name_in_a_comment_is_not_a_call() {
    for (kind, text) in [
        ("c", "int main(void) { send(); } // kill\n/* wait,\n * wait3 */ static int four;"),
        ("py", "send()  # kill\n# wait, wait3"),
    ] {
        let code = code(text, kind);
        assert!(
            has_word(&code, "send") && !["kill", "wait", "wait3"].iter().any(|name| has_word(&code, name)),
            "{code}"
        );
        assert!(kind == "py" || has_word(&code, "four"), "{code}");
    }
}

/// A line without a body does not compile; one whose function no test program names is found here.
#[test]
fn each_hook_has_a_test() {
    let table = fs::read_to_string(root().join("crates/hooktable/src/lib.rs")).expect("the table");
    let [programs, macos] = [&["c", "cpp", "py"][..], &["rs", "py"]].map(|kinds| {
        let folders = if kinds.contains(&"c") { &["programs", "cases", "reach"][..] } else { &["macos"] };
        folders.iter().map(|folder| sources(&root().join("tests").join(folder), kinds)).collect::<String>()
    });
    let (mut system, mut hooks, mut untested) = ("", 0, Vec::new());
    for line in table.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("#[cfg(target_os = \"") {
            system = rest.split('"').next().unwrap_or_default();
            continue;
        }
        if line.starts_with("wraps") || line.starts_with("replaces") {
            let path = line.split('(').next().unwrap_or_default().split("::").nth(1).unwrap_or_default();
            let name = path.split('"').nth(1).unwrap_or(path).trim();
            hooks += 1;
            let tests = if system == "macos" { &macos } else { &programs };
            if !has_word(tests, name) {
                untested.push(name.to_owned());
            }
        }
        system = "";
    }
    assert!(hooks > 60, "only {hooks} hooks were found");
    assert_eq!(untested, [""; 0], "no test program calls these");
}

/// The launcher shares a package with the library. If it used the crate that exports the hooks, it would hook itself.
#[test]
fn the_launcher_uses_nothing_that_exports_hooks() {
    let mut folders = vec![root().join("src/bin")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).expect("a source file");
                for word in ["runtime::", "capture::", "extern crate", "#[path"] {
                    assert!(!text.contains(word), "{}: {word}", path.display());
                }
            }
        }
    }
}

/// For musl only the launcher is built, and the library's crates refuse musl: it gets along without them.
#[test]
fn for_musl_the_launcher_needs_none_of_the_librarys_crates() {
    let arguments = ["tree", "--offline", "--locked", "--edges", "normal", "--prefix", "none", "--target"];
    let output = cargo().args(arguments).arg("x86_64-unknown-linux-musl").current_dir(root()).output();
    let output = output.expect("cargo runs");
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && tree.contains("clap v"), "{}", String::from_utf8_lossy(&output.stderr));
    for word in ["runtime v", "capture v"] {
        assert!(!tree.lines().any(|line| line.starts_with(word)), "{tree}");
    }
}

/// What must not compile where a hook or a handler can reach it; each as an item that can follow any other.
#[cfg(target_os = "linux")]
const PLANTS: [(&str, &str); 6] = [
    ("to_vec", "fn planted(bytes: &[u8]) -> usize { bytes.to_vec().len() }"),
    ("to_owned", "fn planted(text: &str) -> usize { let owned = text.to_owned(); owned.capacity() }"),
    ("format!", "fn planted(number: u8) -> usize { format!(\"{number}\").len() }"),
    ("vec!", "fn planted() -> usize { vec![0u8; 4].len() }"),
    ("Box", "fn planted(number: u8) -> u8 { *alloc::boxed::Box::new(number) }"),
    ("Mutex", "static PLANTED: std::sync::Mutex<u8> = std::sync::Mutex::new(0);"),
];

/// What the crates are that hooks and handlers are made of: those below, and the one that knows them.
#[cfg(target_os = "linux")]
const BELOW: [&str; 7] = ["exchange", "formats", "hooktable", "policy", "processor", "settings", "wording"];
#[cfg(target_os = "linux")]
const REACHED: &str = "runtime";

/// The source files of a crate that are compiled here, as paths below `crates`.
#[cfg(target_os = "linux")]
fn linux_sources(crates: &Path, name: &str) -> Vec<String> {
    let other_processor = if cfg!(target_arch = "x86_64") { "aarch64" } else { "x86_64" };
    let mut folders = vec![crates.join(name).join("src")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()) {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            if stem == "macos" || stem == other_processor {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(crates).expect("a part of it").to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// Every file that a hook or a handler can reach refuses each of the plants. On macOS redhook brings the standard library into the
/// crate; what both systems share is compiled here, too.
#[cfg(target_os = "linux")]
#[test]
fn what_handlers_and_hooks_reach_can_neither_allocate_nor_lock() {
    let scratch = harness::Scratch::new();
    let copy = scratch.path();
    let crates = copy.join("crates");
    // All but these crates is only looked at.
    for (from, but) in
        [(root().to_path_buf(), &["crates"][..]), (root().join("crates"), &[&BELOW[..], &[REACHED]].concat())]
    {
        let to = copy.join(from.strip_prefix(root()).expect("a part of it"));
        fs::create_dir_all(&to).expect("a folder is made");
        for entry in fs::read_dir(&from).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !but.contains(&name.as_str()) && name != "target" && !name.starts_with('.') {
                std::os::unix::fs::symlink(entry.path(), to.join(name)).expect("a link is made");
            }
        }
    }
    for name in BELOW.iter().chain([&REACHED]) {
        copy_folder(&root().join("crates").join(name), &crates.join(name));
    }

    assert_eq!(check(copy, &[REACHED]), "", "it compiles as it is");
    for group in [&[REACHED][..], &BELOW] {
        let sources: Vec<String> = group.iter().flat_map(|name| linux_sources(&crates, name)).collect();
        assert!(sources.len() >= if group.len() == 1 { 70 } else { 10 }, "only {} files were found", sources.len());
        let clean: Vec<String> =
            sources.iter().map(|source| fs::read_to_string(crates.join(source)).expect("a source file")).collect();
        for (source, text) in sources.iter().zip(&clean) {
            // What the compiler can't refuse: with this line, all of the plants would compile.
            assert!(!text.contains("extern crate"), "{source}");
        }
        for (what, plant) in PLANTS {
            for (source, text) in sources.iter().zip(&clean) {
                // As the last line, so that what cargo says of it names the file and that line.
                fs::write(crates.join(source), format!("{text}\n{plant}\n")).expect("a file is written");
            }
            let errors = check(copy, group);
            for (source, text) in sources.iter().zip(&clean) {
                let position = format!("crates/{source}:{}:", text.lines().count() + 2);
                assert!(
                    errors.lines().any(|line| line.starts_with(&position) && line.contains(": error")),
                    "{what} compiles at {position}\n{errors}"
                );
                fs::write(crates.join(source), text).expect("a file is written");
            }
        }
    }
}

/// The errors that the compiler has with some crates, a line each; nothing but them and what they use is compiled, so that no
/// feature that another crate asks for is there.
#[cfg(target_os = "linux")]
fn check(workspace: &Path, names: &[&str]) -> String {
    let output = cargo()
        .args(["check", "--offline", "--locked", "--quiet", "--keep-going", "--message-format", "short"])
        .args(names.iter().flat_map(|name| ["--package", name]))
        .current_dir(workspace)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("house"))
        .output()
        .expect("cargo runs");
    // No warnings: what is planted is used by nobody.
    if output.status.success() { String::new() } else { String::from_utf8_lossy(&output.stderr).into_owned() }
}

#[cfg(target_os = "linux")]
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a file is copied");
        }
    }
}
